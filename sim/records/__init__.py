"""What a run leaves on disk: tables, journal, manifest, and the folder they lie in."""
