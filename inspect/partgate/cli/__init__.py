"""The command line: each command loads, calls and prints; no logic of its own."""
