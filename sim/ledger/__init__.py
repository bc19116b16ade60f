"""Money: work that was counted, what it costs a phone, and what was really spent."""
