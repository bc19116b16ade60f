"""The pools of a run: built, offered, and grown from what users contribute."""
