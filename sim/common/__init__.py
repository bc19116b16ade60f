"""What everything may use: errors, random streams, cache, files, memory."""
