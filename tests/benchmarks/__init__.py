"""The benchmark: Headstart against what a researcher would write otherwise, `headstart bench` (docs/bench.md)."""
