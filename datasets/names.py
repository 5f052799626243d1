"""The names of files: in which order they come."""

import re


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that counts: "slice9" before "slice10".

    Examples
    --------
    >>> sorted(["16003", "2004", "b", "a10", "a9"], key=natural)
    ['2004', '16003', 'a9', 'a10', 'b']
    """
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdecimal() else (2**63, part) for part in parts)
