"""How work reaches workers, and comes back."""
