"""The labelled folder: reading it, grouping pictures of one part, splitting without a leak."""
