"""Why one user's phone chose what it chose."""
