"""The page of a run: one file that opens from disk, with its tables, pairs, charts and provenance."""
