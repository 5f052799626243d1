"""Which fusers run on which pairs, and whether a score has moved."""
