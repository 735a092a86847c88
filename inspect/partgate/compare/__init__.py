"""Two gates on the same parts: what changed, and whether it could be chance."""
