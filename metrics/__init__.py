"""How a fused image is judged: a file for each family of metrics."""
