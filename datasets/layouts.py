"""Pairs in folders: DIR/CT-MRI/CT/NAME.png beside DIR/CT-MRI/MRI/NAME.png."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

from fusebench.datasets import cases, formats, image
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.dicom import Series
from fusebench.datasets.folders import Part, inside, is_flat, is_image, parts, subfolders
from fusebench.datasets.formats import stem
from fusebench.datasets.names import MODALITIES, by_modality, natural, without
from fusebench.datasets.pair import Entry, Pair, check_name
from fusebench.datasets.reading import AS_STATED, Reading

LEVEL = 0.1  # of the gap between two slices; within it they lie at one height
DEPTH = 2  # a folder of kinds, a kind; links to a folder above would be followed for ever


def entries(root: Path, reading: Reading = AS_STATED, say: Say = silent) -> tuple[Entry, ...]:
    """List the registered pairs under a folder, in the order of kind, case and slice.

    A kind of pair is a folder that holds two folders of images, one for each modality, and the same file name
    (but for the extension, and the modality where all names have it: CT/1_CT.png) in both is a pair. Or it holds a
    folder for each case with a file for each modality (CASE/ct.png, CASE/mri.png), or files alone whose names say
    their modality (1_CT.png, 1_MRI.png); of these two `say` is told. `root` is such a folder or holds several. A kind
    named "A-B" gives source a from A and source b from B; under any other name they come in alphabetical order.

    Which pairs are slices of one case is stated by a file that holds several, told by `reading`, or guessed from the
    names where they show it, which `say` is told (`cases.assign`); else a pair's case is None.

    Two folders of DICOM slices, a series each, are one case, whose slices pair by where they lie; where none of them
    coincide, or one folder holds a volume instead, the second is resampled. Where folders hold several series, each is
    a case, and those of one frame of reference, or else of one study, go together.

    Files are told by their first bytes or, where these say nothing, by their extension. A NIfTI volume, whose partner
    is one too, and a DICOM file of several frames are a case each, and every slice of them is a pair: NAME#0, NAME#1,
    ... along the axis of `reading`, and NAME#1, NAME#2, ... as frames are counted. No slice is left out for what it
    shows.

    Raises
    ------
    ValueError
        If there is no pair, a kind has not two modalities, a folder holds no image, a file has no partner, two
        files share a name, a link leads out of the folder, a window is for no modality, or the rule of cases fits no
        name. The first problem is told.
    """
    found, problems = survey(root, reading, say)
    if problems:
        more = f" (and {len(problems) - 1} more: fusebench data check {root})" if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)
    return found


def survey(root: Path, reading: Reading = AS_STATED, say: Say = silent) -> tuple[tuple[Entry, ...], list[str]]:
    """List the pairs under a folder as `entries` does, and every problem, a line each.

    Raises
    ------
    ValueError
        If the folder is missing or holds nothing that could be pairs.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected one that holds CT-MRI/CT/NAME.png and CT-MRI/MRI/NAME.png")
    root = root.resolve()  # "." has a name then
    problems = [f"{path}: a link that leads out of {root}" for path in subfolders(root) if not inside(path, root)]
    kinds = parts(root, say)
    if not kinds and not problems:
        raise ValueError(
            f"{root}: no pairs; expected a folder for each kind of pair with a folder for each of its two modalities, "
            "such as CT-MRI/CT/NAME.png and CT-MRI/MRI/NAME.png"
        )
    found: list[Entry] = []
    modalities: set[str] = set()
    for part in kinds:
        try:
            sources = _sources(part, root, say)
        except ValueError as error:
            problems.append(str(error))
            continue
        modalities |= set(sources.modalities)
        listed, wrong = _entries(part.kind, sources, reading)
        found += listed
        problems += wrong
    if not problems and (unknown := sorted(reading.windows.keys() - modalities)):
        problems = [f"--window {unknown[0]}: no such modality in {root}; it holds {', '.join(sorted(modalities))}"]
    if not problems and found:
        try:
            formats.check_colour([path for entry in found for path in files(entry)], reading)
        except ValueError as error:
            problems = [str(error)]
    try:
        told = _of_cases(found, root.resolve().name, reading, say)
    except ValueError as error:
        return tuple(found), [*problems, str(error)]
    for doubt in (*_remarks(told), *_doubts(told, reading), *_differing(told, reading)):
        say(doubt)
    return told, problems


def files(entry: Entry) -> tuple[Path, Path]:
    """Name the two files, with their slices, that a pair listed here is read from."""
    first, second, *_ = _arguments(entry)
    return first, second


def lists(entry: Entry) -> bool:
    """Say whether a pair was listed here, and is read from two files."""
    return isinstance(entry.read, partial) and entry.read.func is formats.read_pair


def modalities(entry: Entry) -> tuple[str, str]:
    """Name the two modalities of a pair listed here."""
    return _arguments(entry)[3]


def _arguments(entry: Entry) -> tuple[Path, Path, str, tuple[str, str], Reading]:
    """Give what a pair listed here is read by."""
    return cast("tuple[Path, Path, str, tuple[str, str], Reading]", cast("partial[Pair]", entry.read).args)


class _Sources(NamedTuple):
    """The files of a kind of pair: those of each modality by the pair's name, where they lie, and what is wrong.

    Where the names of the pairs are those of folders of cases, `by_case` says so. Slices of series, in the order of
    their heights, have their `cases` by the pair's name.
    """

    modalities: tuple[str, str]
    files: tuple[dict[str, Path], dict[str, Path]]
    places: tuple[Path, Path]
    refused: dict[Path, str]
    by_case: bool = False
    cases: dict[str, str] | None = None


def _sources(part: Part, root: Path, say: Say) -> _Sources:
    """Find the files of a kind, or of a part of one, in whichever layout it has. Raises ValueError if it has none."""
    check_name(part.kind)
    if part.name:
        return _named(part, _in_modalities(part, root, say))
    (kind,) = part.folders
    if is_flat(kind):
        return _in_one_folder(kind, root, say)
    return _in_cases(kind, root, say) if _holds_cases(kind) else _in_modalities(part, root, say)


def _named(part: Part, sources: _Sources) -> _Sources:
    """Begin the names of pairs with that of their part, which is their case where it is one."""

    def called(name: str) -> str:
        return name if name == part.name else f"{part.name}_{name}"

    files_a, files_b = ({called(name): path for name, path in files.items()} for files in sources.files)
    cases = {called(name): part.name for name in sources.files[0]} if part.is_case else None
    if sources.cases is not None and not part.is_case:
        cases = {called(name): f"{part.name}_{case}" for name, case in sources.cases.items()}
    return sources._replace(files=(files_a, files_b), cases=cases)


def _in_modalities(part: Part, root: Path, say: Say) -> _Sources:
    """Find KIND/A/NAME and KIND/B/NAME; a modality that each name in its folder has too is no part of the pair's."""
    first, second = _modalities(part, root)
    names = _modality(first, part), _modality(second, part)
    found = [_files(folder, root) for folder in (first, second)]
    named = []
    for folder, modality, (held, refused) in zip((first, second), names, found, strict=True):
        if not held and not refused:
            others = sorted({path.suffix or path.name for path in folder.iterdir() if path.is_file()})
            what = f"images that can be read, only {', '.join(others)}" if others else "images: an empty folder"
            raise ValueError(f"{folder}: no {what}; expected {', '.join(formats.SUFFIXES)}")
        keys = {name: without(name, modality) for name in held}
        named.append({keys[name] or name: path for name, path in held.items()} if all(keys.values()) else held)
    sources = _Sources(names, (named[0], named[1]), (first, second), found[0][1] | found[1][1])
    return _by_height(sources, part.name or part.kind, say)


def _by_height(sources: _Sources, kind: str, say: Say) -> _Sources:
    """Pair the slices of series by where they lie, or by their order where their frames of reference differ.

    A series and a volume are a case, and so are two series on different grids: the second is resampled.

    Raises
    ------
    ValueError
        If it is not stated which series go together, or the slices of two lie apart or do not pair one by one.
    """
    held = [formats.series([*files.values()]) for files in sources.files]
    if found := _as_volumes(sources, held, kind, say):
        return sources._replace(files=found)
    if not all(held):
        return sources
    cases: dict[str, str] = {}
    files: tuple[dict[str, Path], dict[str, Path]] = ({}, {})
    pairs = _go_together(held[0], held[1], sources.places)
    for n, (a, b) in enumerate(pairs, 1):
        case = f"{kind}-{n}" if len(pairs) > 1 else kind
        for p, q in _slices(a, b, sources.places, case, say):
            files[0][stem(p)], files[1][stem(p)], cases[stem(p)] = p, q, case
    if len(pairs) > 1:
        begin = ", ".join(f"{kind}-{n} begins with {_first(a)}" for n, (a, _) in enumerate(pairs, 1))
        say(f"{kind}: {len(pairs)} series in each folder are read as cases: {begin}")
    return sources._replace(files=files, cases=cases)


def _as_volumes(
    sources: _Sources, held: list[list[Series]], kind: str, say: Say
) -> tuple[dict[str, Path], dict[str, Path]] | None:
    """Give two folders as one pair of volumes, where one holds a series and the other that or a volume; else None."""
    volumes = [
        [path for path in files.values() if formats.of(path).volume] if len(files) == 1 else []
        for files in sources.files
    ]
    if [len(series) for series in held] == [1, 1]:
        a, b = held[0][0], held[1][0]
        if a.frame_of_reference != b.frame_of_reference:
            return None
        try:
            formats.compare(*_slices(a, b, sources.places, kind, silent)[0])
        except ValueError:
            if not all(map(_is_volume, sources.places)):  # what is told then is where they differ
                return None
            first, second = sources.modalities
            say(f"{kind}: the two series lie on different grids; {second} is resampled onto that of {first}")
        else:
            return None
    elif not any(len(series) == len(other) == 1 for series, other in ((held[0], volumes[1]), (held[1], volumes[0]))):
        return None
    name = stem(next(iter([*volumes[0], *volumes[1]]), Path(kind)))
    paths = [place if series else other[0] for place, series, other in zip(sources.places, held, volumes, strict=True)]
    return {name: paths[0]}, {name: paths[1]}


def _is_volume(folder: Path) -> bool:
    try:
        return formats.numbers(folder, folder) is not None
    except ValueError:
        return False


def _first(series: Series) -> str:
    return min((path.name for path in series.heights), key=natural)


def _go_together(first: list[Series], second: list[Series], places: tuple[Path, Path]) -> list[tuple[Series, Series]]:
    """Pair the series of two folders: those of one frame of reference or, where none is, of one study."""
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    pairs = []
    for a in sorted(first, key=lambda series: natural(_first(series))):
        same = [b for b in second if b.frame_of_reference and b.frame_of_reference == a.frame_of_reference]
        same = same or [b for b in second if b.study and b.study == a.study]
        pairs += [(a, b) for b in same]
    if not len(pairs) == len(first) == len(second) == len({id(b) for _, b in pairs}):
        held = [", ".join(f"that of {_first(one)} ({len(one.heights)} files)" for one in s) for s in (first, second)]
        raise ValueError(
            f"{places[0]}: holds {len(first)} DICOM series, {held[0]}, and {places[1]} {len(second)}, {held[1]}; which "
            "go together their frames of reference and studies do not say: give each pair folders of its own"
        )
    return pairs


def _slices(a: Series, b: Series, places: tuple[Path, Path], case: str, say: Say) -> list[tuple[Path, Path]]:
    """Pair the slices of two series."""
    if a.frame_of_reference != b.frame_of_reference:
        if len(a.heights) != len(b.heights):
            raise ValueError(
                f"{places[0]}: {len(a.heights)} slices, but {places[1]} has {len(b.heights)} in another frame of "
                "reference; where they lie cannot be compared"
            )
        say(f"{case}: two series in different frames of reference; their slices pair by their order along the normal")
        return list(zip(a.heights, b.heights, strict=True))
    steps = [upper - lower for one in (a, b) for lower, upper in pairwise(one.heights.values())]
    near = LEVEL * min(steps, default=1.0)
    nearest = {path: min(b.heights, key=lambda other: abs(b.heights[other] - z)) for path, z in a.heights.items()}
    pairs = [(p, q) for p, q in nearest.items() if abs(a.heights[p] - b.heights[q]) < near]
    if not pairs:
        ends = [f"{min(one.heights.values()):g} to {max(one.heights.values()):g} mm" for one in (a, b)]
        raise ValueError(f"{places[0]}: no slice lies where {places[1]} has one; they lie from {ends[0]} and {ends[1]}")
    if left := len(a.heights) + len(b.heights) - 2 * len(pairs):
        say(f"{case}: left out, since the other series has none at their height: {left} of the slices")
    return pairs


def _in_one_folder(kind: Path, root: Path, say: Say) -> _Sources:
    """Find KIND/NAME_A and KIND/NAME_B, or A_NAME and B_NAME."""
    held, refused = _files(kind, root)
    try:
        found = by_modality(held)
    except ValueError as error:
        raise ValueError(f"{kind}: {error}") from None
    first, second = _ordered(kind, *(found or {}))
    files_a, files_b = ({key: held[name] for key, name in (found or {})[m].items()} for m in (first, second))
    such = min(files_a, key=natural)
    say(f"{kind.name}: files that are named by {first} and by {second} are read as pairs, such as {such}")
    return _Sources((first, second), (files_a, files_b), (kind, kind), refused)


def _in_cases(kind: Path, root: Path, say: Say) -> _Sources:
    """Find KIND/CASE/A and KIND/CASE/B."""
    folders = [folder for folder in subfolders(kind) if any(map(is_image, folder.iterdir()))]
    for folder in folders:
        check_name(folder.name)
        if not inside(folder, root):
            raise ValueError(f"{folder}: a link that leads out of {root}")
    found = {folder.name: _files(folder, root) for folder in sorted(folders, key=lambda folder: natural(folder.name))}
    words = sorted({name.casefold() for held, _ in found.values() for name in held})
    if len(words) != 2:
        raise ValueError(f"{kind}: its folders hold files called {', '.join(words)}; a pair has two modalities")
    first, second = _ordered(kind, *words)
    held = {case: {name.casefold(): path for name, path in files.items()} for case, (files, _) in found.items()}
    files_a, files_b = ({case: paths[m] for case, paths in held.items() if m in paths} for m in (first, second))
    say(f"{kind.name}: its folders are read as cases, each with a file {first} and a file {second}")
    refused = {path: why for _, files in found.values() for path, why in files.items()}
    return _Sources((first, second), (files_a, files_b), (kind, kind), refused, by_case=True)


def _ordered(kind: Path, first: str, second: str) -> tuple[str, str]:
    return (second, first) if kind.name.casefold() == f"{second}-{first}".casefold() else (first, second)


def _entries(kind: str, sources: _Sources, reading: Reading) -> tuple[list[Entry], list[str]]:
    (files_a, files_b), problems = sources.files, list(sources.refused.values())
    for name in sorted((files_a.keys() ^ files_b.keys()) - {stem(path) for path in sources.refused}, key=natural):
        path, other = (files_a[name], sources.places[1]) if name in files_a else (files_b[name], sources.places[0])
        problems.append(f"{path}: no partner in {other}; a pair has one file name in both folders")
    found: list[Entry] = []
    shared = [name for name in files_a if name in files_b]
    of_case = sources.cases or {}
    for name in shared if of_case else sorted(shared, key=natural):
        a, b = files_a[name], files_b[name]
        try:
            formats.compare(a, b)
            numbers = formats.numbers(a, b, reading)
            for index in [""] if numbers is None else [f"#{number}" for number in numbers]:
                path_a, path_b = (path.with_name(path.name + index) for path in (a, b))
                called = name + index
                read = partial(formats.read_pair, path_a, path_b, kind, sources.modalities, reading, name=called)
                found.append(Entry(kind, called, name if sources.by_case else of_case.get(name), read))
        except ValueError as error:
            problems.append(str(error))
    return found, problems


def _remarks(entries: Iterable[Entry]) -> Iterable[str]:
    """Say what should be known of where files lie, once for all that it is said of."""
    pairs = {(entry.kind, tuple(formats.split(path)[0] for path in files(entry))): None for entry in entries}
    found: dict[str, list[str]] = {}
    for kind, (a, b) in pairs:
        for remark in formats.compare(a, b):
            found.setdefault(remark, []).append(f"{kind}/{stem(a)}")
    for remark, names in found.items():
        yield f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {remark}"


def _doubts(entries: Iterable[Entry], reading: Reading) -> Iterable[str]:
    """Say which modalities are dark in all their files of 16 bits. The first bright one ends the search."""
    found: dict[tuple[str, str], dict[Path, None]] = {}
    for entry in entries:
        for path, modality in zip(files(entry), _arguments(entry)[3], strict=True):
            found.setdefault((entry.kind, modality), {})[formats.split(path)[0]] = None
    for (kind, modality), paths in found.items():
        used: list[float] = []
        for path in paths:
            try:
                if formats.needs_window(path, modality, reading):
                    used.append(image.read(path)[0].max().item())
            except ValueError:  # told where the pair is read
                continue
            if used and used[-1] >= formats.DARK:
                break
        if used and (doubt := formats.dark(max(used), modality)):
            yield f"{kind}: {doubt}"


def _differing(entries: Iterable[Entry], reading: Reading) -> Iterable[str]:
    """Say of which modalities the slices of a case state different windows, so that their grey levels do not agree."""
    found: dict[tuple[str, str], dict[str | Path, set[tuple[float, float]]]] = {}
    seen: set[Path] = set()
    for entry in entries:
        for path, modality in zip(files(entry), _arguments(entry)[3], strict=True):
            file = formats.split(path)[0]
            if modality in reading.windows or file in seen:
                continue
            seen.add(file)
            with suppress(ValueError):  # told where the pair is read
                cases = found.setdefault((entry.kind, modality), {})
                cases.setdefault(entry.case or file, set()).update(formats.windows(file))
    for (kind, modality), cases in found.items():
        for case, windows in cases.items():
            if len(windows) > 1:
                ends = [f"{min(values):g} to {max(values):g}" for values in zip(*windows, strict=True)]
                yield (
                    f"{kind}: the windows that {modality} states differ from slice to slice, of {case} in centers from "
                    f"{ends[0]} and widths from {ends[1]}; --window {modality}=CENTER,WIDTH gives all the same"
                )
                break


def _of_cases(found: list[Entry], dataset: str, reading: Reading, say: Say) -> tuple[Entry, ...]:
    names: dict[str, list[str]] = {}
    for entry in found:
        names.setdefault(entry.kind, []).append(entry.name)
    assigned = cases.assign(names, reading.case, say)
    cased = [(entry, assigned[entry.kind, entry.name] or entry.case) for entry in found]
    return tuple(
        replace(entry, case=case, dataset=dataset, read=partial(cast("partial[Pair]", entry.read), case=case))
        for entry, case in cased
    )


def _modalities(part: Part, root: Path) -> tuple[Path, Path]:
    """Give the two folders of a kind, in the order of its name where that names them."""
    held = list(part.folders) if len(part.folders) == 2 else subfolders(part.folders[0])
    if len(held) != 2:
        names = ", ".join(folder.name for folder in held)
        raise ValueError(
            f"{part.folders[0]}: holds {len(held)} folders ({names}); a kind of pair has one for each of two modalities"
        )
    for folder in held:
        check_name(folder.name)
        if not inside(folder, root):
            raise ValueError(f"{folder}: a link that leads out of {root}")
    first, second = held
    return (second, first) if part.kind == f"{_modality(second, part)}-{_modality(first, part)}" else (first, second)


def _modality(folder: Path, part: Part) -> str:
    """Name what a folder shows; of CT/train it is the folder above."""
    return folder.parent.name if len(part.folders) == 2 else folder.name


def _holds_cases(kind: Path) -> bool:
    """Say whether the folders of a kind are cases: their files have the names of modalities, or the same two names.

    Two folders whose files have the same two names are modalities, unless these are names of modalities.
    """
    held = [{stem(path).casefold() for path in folder.iterdir() if is_image(path)} for folder in subfolders(kind)]
    held = [words for words in held if words]
    if all(words <= MODALITIES for words in held):
        return True
    return len(held) > 2 and all(words == held[0] for words in held) and len(held[0]) == 2


def _files(folder: Path, root: Path) -> tuple[dict[str, Path], dict[Path, str]]:
    """Give the image files of a folder by their names, and those that are refused with the reason."""
    files: dict[str, Path] = {}
    refused: dict[Path, str] = {}
    for path in sorted(filter(is_image, folder.iterdir())):
        if not path.name.isprintable():
            refused[path] = f"{path.parent / repr(path.name)}: a name that cannot be printed; rename the file"
        elif not (inside(path, root) and inside(path.with_suffix(".img"), root)):  # the voxels of a .hdr
            refused[path] = f"{path}: a link that leads out of {root}"
        elif not path.is_file():
            refused[path] = f"{path}: no regular file"
        elif stem(path) in files:
            other = files[stem(path)].name
            refused[path] = f"{path}: {other} has the same name; a pair's name must be unique"
        else:
            files[stem(path)] = path
    return files, refused
