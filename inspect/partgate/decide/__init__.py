"""The operating point: another rule for a bundle that is there, set by a person for a reason."""
