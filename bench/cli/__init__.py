"""The command line, a module for each audience."""

from fusebench.bench.cli import (  # each adds its commands
    audit,
    bench,
    data,
    detect,
    gate,
    image,
    leaderboard,
    listing,
    upkeep,
)
from fusebench.bench.cli.app import main

__all__ = ["audit", "bench", "data", "detect", "gate", "image", "leaderboard", "listing", "main", "upkeep"]
