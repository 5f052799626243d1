"""Which pairs are of one case (a patient, a scene): as files state it, as names are told to say it, or as guessed."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

# Words for the two ways of naming that are known; any other rule is an expression of its own.
RULES = {
    "atlas": r"^(?P<case>[1-9][0-9]*)(?P<slice>[0-9]{3})$",
    "slice": r"(?i)^(?P<case>.+?)[ _.-]*slice[ _.-]*(?P<slice>[0-9]+)$",
}
NONE = "none"
SLICES = 200  # more than a case of the atlas has
SHOWN = 5  # cases that a line names

Cases = dict[tuple[str, str], str | None]
Say = Callable[[str], None]  # told what a user should know of a guess, in a line
Progress = Callable[[str, int, int], None]  # told what is being done, how much of it is done, and of how much


def silent(_: str) -> None:
    """Tell nobody."""


def compiled(rule: str) -> re.Pattern[str] | None:
    """Give the expression that finds the case in a name, as its group "case"; None for "none".

    Raises
    ------
    ValueError
        If the rule is no regular expression, or has no such group.

    Examples
    --------
    >>> [compiled("atlas").search(name)["case"] for name in ("16012", "2010")]
    ['16', '2']
    >>> compiled("slice").search("p1_slice2")["case"]
    'p1'
    """
    if rule == NONE:
        return None
    try:
        pattern = re.compile(RULES.get(rule, rule))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"--case {rule}: no regular expression ({error})") from error
    if "case" not in pattern.groupindex:
        words = ", ".join((*RULES, NONE))
        raise ValueError(f"--case {rule}: expected an expression with a group (?P<case>...), or a word: {words}")
    return pattern


def volume(name: str) -> str | None:
    """Give the file that a pair called NAME#k is a slice or a frame of, NAME; None for any other name.

    Examples
    --------
    >>> volume("ct-7#40"), volume("ct-7")
    ('ct-7', None)
    """
    found = re.fullmatch(r"(.+)#[0-9]+", name)
    return found and found[1]


def assign(kinds: Mapping[str, Sequence[str]], rule: str | None = None, say: Say = silent) -> Cases:
    """Give the case of every pair by its kind and name; None where nothing is known of it.

    Slices of a volume and frames of a file, NAME#k, are of one case whatever the rule, NAME. Beyond that:

    - A rule is searched for in each name (of NAME#k in NAME), and its group "case" is the case. A name that it does
      not fit is a case of its own; how many there are is said.
    - The rule "none": nothing is known of other names.
    - Without a rule a guess is made, and said. Names are read by the rule "slice" (p1_slice2) or "atlas" (16012 is
      slice 12 of case 16) in a kind that it fits whole, if at least two of its cases have several slices each. Numbers
      may as well count scenes: "atlas" needs in addition that all slices lie from 1 to 199 and that not all cases have
      the same ones. A kind whose cases are all found in such kinds is read so too. Names that fit and do not convince
      are left alone, which is said as well.

    Raises
    ------
    ValueError
        If the rule is no rule (`compiled`), or fits no name.

    Examples
    --------
    >>> assign({"CT-MRI": ["p1_a", "p1_b", "ct#1"]}, r"^(?P<case>p[0-9]+)_")
    {('CT-MRI', 'p1_a'): 'p1', ('CT-MRI', 'p1_b'): 'p1', ('CT-MRI', 'ct#1'): 'ct'}
    """
    pairs = [(kind, name) for kind, names in kinds.items() for name in names]
    stated: Cases = {(kind, name): volume(name) for kind, name in pairs}
    if rule is None:
        plain = {kind: [name for name in names if not volume(name)] for kind, names in kinds.items()}
        return stated | _guess(plain, say)
    pattern = compiled(rule)
    if pattern is None or not pairs:
        return stated
    files = {(kind, name): stated[kind, name] or name for kind, name in pairs}
    matches = {pair: pattern.search(file) for pair, file in files.items()}
    found: Cases = {pair: match["case"] for pair, match in matches.items() if match and match["case"]}
    if others := list(dict.fromkeys(file for pair, file in files.items() if pair not in found)):
        if not found:
            raise ValueError(f"--case {rule}: fits no name, such as {others[0]}")
        count = f"{len(others)} of {len(set(files.values()))} names"
        say(f"--case {rule}: does not fit {count}, such as {others[0]}; each is a case of its own")
    return {**files, **found}


def _guess(kinds: Mapping[str, Sequence[str]], say: Say) -> Cases:
    guessed: Cases = {}
    for word in RULES:
        pattern = cast("re.Pattern[str]", compiled(word))
        tried = {kind: [pattern.search(name) for name in names] for kind, names in kinds.items()}
        fits = {kind: cast("list[re.Match[str]]", found) for kind, found in tried.items() if found and all(found)}
        known = {match["case"] for found in fits.values() if _convincing(word, found) for match in found}
        read = {kind: found for kind, found in fits.items() if {match["case"] for match in found} <= known}
        left = [found for kind, found in fits.items() if kind not in read and len(found) > 1]
        guessed |= {(kind, match[0]): match["case"] for kind, found in read.items() for match in found}
        if read:
            say(f"names read as case and slice ({_example(*read.values())}); --case {NONE} if they are not")
        if left:
            say(f"names not read as case and slice, each pair counts by itself; --case {word} if {_example(*left)}")
    return guessed


def _example(found: Sequence[re.Match[str]], *_: Sequence[re.Match[str]]) -> str:
    return f"{found[0][0]} is slice {int(found[0]['slice'])} of case {found[0]['case']}"


def _convincing(word: str, found: Sequence[re.Match[str]]) -> bool:
    slices: dict[str, set[int]] = {}
    for match in found:
        slices.setdefault(match["case"], set()).add(int(match["slice"]))
    several = [numbers for numbers in slices.values() if len(numbers) > 1]
    if len(several) < 2:
        return False
    # Numbers that count scenes go on to 999, or begin alike in each block; heads begin and end at their own slices.
    within = all(0 < number < SLICES for numbers in slices.values() for number in numbers)
    return word != "atlas" or (within and any(numbers != several[0] for numbers in several))


def understood(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Say what pairs there are, a line for each kind; of each pair its kind and case are given.

    Examples
    --------
    >>> understood([("CT-MRI", "2"), ("CT-MRI", "2"), ("CT-MRI", "16"), ("PET-MRI", None)])
    ['CT-MRI: 3 pairs, 2 cases: 2 (2), 16 (1)', 'PET-MRI: 1 pair, cases unknown, so each pair counts as one']
    """
    kinds: dict[str, dict[str | None, int]] = {}
    for kind, case in pairs:
        cases = kinds.setdefault(kind, {})
        cases[case] = cases.get(case, 0) + 1
    lines = []
    for kind, cases in kinds.items():
        count, known = sum(cases.values()), [f"{case} ({number})" for case, number in cases.items() if case is not None]
        more = f", and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        said = f"{len(known)} case{'s' * (len(known) != 1)}: {', '.join(known[:SHOWN])}{more}"
        unknown = "cases unknown, so each pair counts as one"
        lines.append(f"{kind}: {count} pair{'s' * (count != 1)}, {said if known else unknown}")
    return lines
