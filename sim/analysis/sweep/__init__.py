"""A sweep: its runs in one table, their figures, their report, and what others published beside them."""
