"""The commands of `headstart`, a file each; `sim.cli` puts them together. What is slow to import is imported late."""
