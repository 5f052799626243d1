"""The run: from a suite to the files in its folder."""
