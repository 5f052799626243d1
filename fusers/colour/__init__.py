"""Fusers of colour images: where a coloured source's brightness goes, and what becomes of its colour."""
