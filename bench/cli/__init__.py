"""The command line, a module for each audience."""

from fusebench.bench.cli import bench, data, gate, image, listing, upkeep  # each adds its commands
from fusebench.bench.cli.app import main

__all__ = ["bench", "data", "gate", "image", "listing", "main", "upkeep"]
