"""What a corpus holds, before anything is made of it."""
