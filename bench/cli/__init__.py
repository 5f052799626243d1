"""The command line, a module for each audience."""

from fusebench.bench.cli import bench, data, image, upkeep  # each adds its commands
from fusebench.bench.cli.app import main

__all__ = ["bench", "data", "image", "main", "upkeep"]
