"""Commands that check what a run is made of, before one is begun."""
