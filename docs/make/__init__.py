"""What makes pages from code and records."""
