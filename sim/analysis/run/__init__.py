"""What one run shows."""
