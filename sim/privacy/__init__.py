"""What an uploaded adapter tells of the texts behind it: how much that is, and less by noise (differential privacy)."""
