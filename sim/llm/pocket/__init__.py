"""The pocket LLMs: real, small, built by a seeded recipe from any corpus, so that a laptop without network runs all."""
