"""One run: its figures, its verdict, its report."""
