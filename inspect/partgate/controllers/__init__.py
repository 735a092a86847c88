"""Controller drivers: how a verdict reaches the PLC or robot that sorts the part. Silence means reject."""
