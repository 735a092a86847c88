"""Archived pictures of the records, judged again: the same recipe must say the same, another one shows what changes."""
