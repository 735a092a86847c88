"""The evaluation report: what is counted, drawn and shown, as JSON, one HTML file and a table of predictions."""
