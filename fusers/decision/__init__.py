"""Fusers that decide region by region or pixel by pixel, and say how sure they are: a file for each."""
