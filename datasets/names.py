"""The names of files: in which order they come, and which modality they name."""

import re
from collections.abc import Collection


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that counts: "slice9" before "slice10".

    Examples
    --------
    >>> sorted(["16003", "2004", "b", "a10", "a9"], key=natural)
    ['2004', '16003', 'a9', 'a10', 'b']
    """
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdecimal() else (2**63, part) for part in parts)


# Words that name a modality where a whole file is called so; of folders and parts of names any word may.
MODALITIES = frozenset(
    (
        *("ct", "cbct", "mr", "mri", "t1", "t1ce", "t2", "pd", "flair", "adc", "dwi", "swi", "pet", "spect", "us"),
        *("pcl", "gfp", "ir", "nir", "swir", "lwir", "vi", "vis", "visible", "infrared"),
    )
)
AFTER, BEFORE = r"(?P<key>.+)[ _.-](?P<word>[A-Za-z]+|[Tt][12])", r"(?P<word>[A-Za-z]+)[ _.-]?(?P<key>[0-9].*)"


def without(name: str, modality: str) -> str | None:
    """Take a modality from the beginning or the end of a name; None where it stands at neither.

    Examples
    --------
    >>> without("10_CT", "CT"), without("ct-10", "CT"), without("act", "CT")
    ('10', '10', None)
    """
    word = re.escape(modality)
    found = re.fullmatch(rf"(?i)(.+)[ _.-]{word}|{word}(?:[ _.-](.+)|([0-9].*))", name)
    return found and (found[1] or found[2] or found[3])


def by_modality(names: Collection[str]) -> dict[str, dict[str, str]] | None:
    """Sort names that say their modality: by it and by what is left of them. None where they do not say it.

    They say it where all end in one of two words behind one key, or all begin with it before a number.

    Raises
    ------
    ValueError
        If they can be read both ways, or name more than two modalities for a key.

    Examples
    --------
    >>> by_modality(["lytro-01-A", "lytro-01-B"])
    {'A': {'lytro-01': 'lytro-01-A'}, 'B': {'lytro-01': 'lytro-01-B'}}
    >>> by_modality(["VIS1", "IR1", "VIS2", "IR2"])
    {'IR': {'1': 'IR1', '2': 'IR2'}, 'VIS': {'1': 'VIS1', '2': 'VIS2'}}
    >>> by_modality(["2004", "2005"])
    """
    readings = []
    for pattern in (AFTER, BEFORE):
        matches = [re.fullmatch(pattern, name) for name in names]
        sorted_by: dict[str, dict[str, str]] = {}
        for match in filter(None, matches):
            sorted_by.setdefault(match["word"], {})[match["key"]] = match[0]
        shared = set.intersection(*map(set, sorted_by.values())) if len(sorted_by) > 1 else set()
        if all(matches) and shared:
            readings.append(dict(sorted(sorted_by.items())))
    if not readings:
        return None
    words = [", ".join(reading) for reading in readings]
    if len(readings) > 1:
        raise ValueError(f"the modalities may be {words[0]} or {words[1]}; put each into a folder of its own")
    if len(readings[0]) > 2:
        raise ValueError(
            f"{len(readings[0])} modalities ({words[0]}); a pair has two, and a third is fused with the result"
        )
    return readings[0]
