"""Results and state for whoever looks on: never the sort signal."""
