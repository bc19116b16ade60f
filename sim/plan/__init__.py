"""Before a run: what it will do, and how long that takes on this machine."""
