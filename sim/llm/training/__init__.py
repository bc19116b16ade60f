"""Training of lanes: the loop, and what ends a lane, what it keeps and what is measured of it."""
