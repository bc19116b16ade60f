"""Groups of the command line, a file each; `sim.cli` puts them together."""
