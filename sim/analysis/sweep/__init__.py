"""What the runs of a sweep show together."""
