"""The command line, a module for each audience."""

from fusebench.bench.cli import audit, bench, data, gate, image, leaderboard, listing, upkeep  # each adds its commands
from fusebench.bench.cli.app import main

__all__ = ["audit", "bench", "data", "gate", "image", "leaderboard", "listing", "main", "upkeep"]
