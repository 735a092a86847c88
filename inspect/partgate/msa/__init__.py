"""Attribute agreement: do the station and people agree with the truth, with each other and with themselves."""
