"""Kinds of adapters behind one protocol."""
