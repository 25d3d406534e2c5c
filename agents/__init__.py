"""Programs: read one file from top to bottom and you know the algorithm."""
