"""How results look: figures of one style, and the page that carries them."""
