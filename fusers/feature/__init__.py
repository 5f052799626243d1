"""Fusers that weigh the sources, or parts of them, by features such as saliency, structure and detail."""
