"""What the provider does: a run from its first check to its last record."""
