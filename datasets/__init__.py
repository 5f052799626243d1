"""What is fused: registered pairs, the readers that make them and the embedded default."""
