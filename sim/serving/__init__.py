"""LLMs that are loaded, and the requests that are put to them."""
