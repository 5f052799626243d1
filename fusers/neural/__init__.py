"""Fusers with a neural network, and the networks."""
