"""An experiment as data: the config, the grid of a sweep, and what a config names."""
