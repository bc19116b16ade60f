"""XPerT's published tables and charts made again from records: the page docs/paper.md."""
