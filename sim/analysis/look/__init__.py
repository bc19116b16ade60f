"""How results look: figures, and reports as one HTML page."""
