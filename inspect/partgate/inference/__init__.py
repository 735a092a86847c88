"""The model on the line: bundles, engines, and the one place where a picture becomes a verdict."""
