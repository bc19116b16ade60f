"""The shared pool of personalised LLMs, on disk."""
