"""Who the users are: texts, phones, connections, hours."""
