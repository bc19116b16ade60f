"""One user's start, explained: as data, as text, as a figure."""
