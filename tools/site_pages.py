"""Pages of the site that are made from the code: one for each fuser and metric, the door, the gallery; `make docs`."""

import dataclasses
import inspect
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fusebench import bench
from fusebench.datasets import image, phantom
from fusebench.fusers.base import Fuser, spell
from fusebench.fusers.catalogue import COLOUR, FUSERS, ON_REQUEST
from fusebench.metrics import chroma, uptake
from fusebench.metrics.base import Metric
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.profiles import PROFILES
from numpydoc.docscrape import NumpyDocString

# Fusers that take seconds for an image of the gallery; it names them.
SLOW = ("nsct-pcnn", "nsst-papcnn", "nsst-msmg-pcnn", "nsct-sr", "nsst-sr", "sr", "csr")
COLUMNS = 4
ROOMS = {
    "pixel": "Pixels and coefficients",
    "feature": "Features",
    "decision": "Decisions",
    "neural": "Networks",
    "colour": "Colour",
}
SOUND = (
    "A plain name is the bench's definition, NAME@CODE what a code base prints under that name. "
    r"\* marks those that [the audit](../../audit.md) finds sound on real pairs."
)
DIRECTION = {True: "higher is better", False: "lower is better", None: "no value is the best"}


def write(folder: Path) -> None:
    """Write all of them into a folder, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("fusers", "metrics", "gallery"):
        (folder / name).mkdir(parents=True)
    _write_fusers(folder / "fusers")
    _write_metrics(folder / "metrics")
    _write_gallery(folder)
    door = (f"## {name}\n\n{_signature(thing)}\n\n{documented(thing)}" for name, thing in _door())
    (folder / "door.md").write_text("\n\n".join(door) + "\n", encoding="utf-8")


def _door() -> list[tuple[str, Any]]:
    return [(name, getattr(bench, name)) for name in ("fuse", "score", "compare", "Comparison", "fuser")]


def documented(thing: object) -> str:
    """Give a docstring in numpydoc's form as Markdown."""
    parsed = NumpyDocString(inspect.getdoc(thing) or "")
    parts = [_text(parsed["Summary"]), _text(parsed["Extended Summary"])]
    for section in ("Parameters", "Attributes", "Returns", "Raises"):
        if parsed[section]:
            parts += [f"**{section}**", "\n".join(_item(*parameter) for parameter in parsed[section])]
    for section in ("Notes", "Examples"):
        if parsed[section]:
            parts += [f"**{section}**", _text(parsed[section])]
    return "\n\n".join(part for part in parts if part)


def _item(name: str, kind: str, text: Sequence[str]) -> str:
    head = ", ".join(f"`{part.strip()}`" for part in (name or kind).split(","))
    return f"- {head}: {' '.join(escaped(line.strip()) for line in text if line.strip())}"


def _text(lines: Sequence[str]) -> str:
    """Give paragraphs, and examples and what is indented as code."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs if paragraph.strip())


def _paragraph(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return f"```python\n{inspect.cleandoc(text)}\n```"
    if text.startswith("    "):
        return f"```text\n{inspect.cleandoc(text)}\n```"
    if text.startswith("- "):
        return re.sub(r"\n(?!- )\s*", " ", escaped(text))
    return escaped(" ".join(line.strip() for line in text.splitlines()))


def escaped(text: str) -> str:
    """Escape what Markdown would take for a mark, but for code between backticks."""
    parts = text.split("`")
    return "`".join(re.sub(r"([*_<>\[\]|#])", r"\\\1", part) if n % 2 == 0 else part for n, part in enumerate(parts))


def _signature(thing: Any) -> str:
    return f"```python\n{thing.__name__}{inspect.signature(thing)}\n```"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _summary(thing: object) -> str:
    return escaped((inspect.getdoc(thing) or "").partition("\n")[0])


def _write_fusers(folder: Path) -> None:
    rooms: dict[str, list[type[Fuser]]] = {room: [] for room in ROOMS}
    for cls in (*FUSERS, *COLOUR, *ON_REQUEST):
        rooms[cls.__module__.split(".")[2]].append(cls)
        (folder / f"{cls.name}.md").write_text(_fuser(cls), encoding="utf-8")
    parts = [
        "# Fusers",
        "Each is a row of a table, `fusebench fuse A B -m NAME`, and a class; options are `NAME[option=value]`.",
    ]
    for room, classes in rooms.items():
        rows = [[f"[{cls.name}]({cls.name}.md)", _summary(cls), str(getattr(cls, "reference", ""))] for cls in classes]
        parts += [f"## {ROOMS[room]}", _table(["name", "", "after"], rows)]
    names = "\n".join(cls.name for classes in rooms.values() for cls in classes)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{names}\n```")
    (folder / "index.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _fuser(cls: type[Fuser]) -> str:
    options = [
        [f"`{f.name}`", f"`{spell(f.default)}`" if f.default is not dataclasses.MISSING else "needed"]
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]  # a Protocol cannot say "dataclass"
    ]
    facts = [["name", f"`{cls.name}`"], ["class", f"`{cls.__module__}:{cls.__name__}`"]]
    if reference := getattr(cls, "reference", ""):
        facts.append(["after", escaped(str(reference))])
    if getattr(cls, "colour", False):
        facts.append(["takes", "colour images"])
    parts = [f"# {cls.name}", _table(["", ""], facts), documented(cls)]
    if options:
        parts += ["**Options and their defaults**", _table(["option", "default"], options)]
    return "\n\n".join(parts) + "\n"


def _write_metrics(folder: Path) -> None:
    records = [*METRICS, *chroma.RECORDS, *uptake.records("atlas-pet")]
    families: dict[str, list[Metric]] = {}
    for metric in records:
        families.setdefault(metric.family, []).append(metric)
        (folder / f"{metric.label}.md").write_text(_metric(metric), encoding="utf-8")
    parts = [
        "# Metrics",
        SOUND,
    ]
    for family, metrics in families.items():
        rows = [
            [
                f"[{metric.label}]({metric.label}.md)" + (r" \*" if metric in PROFILES["sound"] else ""),
                metric.unit or "",
                DIRECTION[metric.higher_is_better],
                escaped(metric.source),
            ]
            for metric in metrics
        ]
        parts += [f"## {family.capitalize()}", _table(["metric", "unit", "", "definition"], rows)]
    parts.append("```{toctree}\n:hidden:\n\n" + "\n".join(metric.label for metric in records) + "\n```")
    (folder / "index.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _metric(metric: Metric) -> str:
    function, options = _plain(metric.function)
    low, high = (f"{end:g}" for end in metric.range)
    facts = [
        ["definition", escaped(metric.source)],
        ["unit", metric.unit or "a pure number"],
        ["range", f"{low} to {high}"],
        ["direction", DIRECTION[metric.higher_is_better]],
        ["equal images", "depends on them" if metric.identical is None else f"{metric.identical:g}"],
        ["local", "yes: it has a map" if metric.map else "it can be taken inside a mask" if metric.local else "no"],
        ["profiles", ", ".join(name for name, listed in PROFILES.items() if metric in listed) or "none"],
        ["may reward", ", ".join(metric.rewards) or "none of the images that are no fusion"],
        ["function", f"`{function.__module__}.{function.__qualname__}`"],
    ]
    if options:
        facts.append(["called with", ", ".join(f"`{name}={value}`" for name, value in options.items())])
    formula = [f"```{{math}}\n{metric.formula}\n```"] if metric.formula else []
    return "\n\n".join([f"# {metric.label}", *formula, _table(["", ""], facts), documented(function)]) + "\n"


def _plain(function: Any) -> tuple[Any, dict[str, Any]]:
    """Give the function that a record's is made of, and what is filled in."""
    options: dict[str, Any] = {}
    while hasattr(function, "keywords"):
        options |= {name: value for name, value in function.keywords.items() if not callable(value)}
        function = function.keywords.get("metric", function.func)
    plain = inspect.unwrap(function)
    # What only fills arguments in is private, and documented by the function that it calls.
    return getattr(sys.modules[plain.__module__], plain.__name__.lstrip("_"), plain), options


def _write_gallery(folder: Path) -> None:
    pair = phantom.pair("CT-MRI", 20)
    pictures = {"CT": pair.a, "MRI": pair.b}
    shown = [cls for cls in FUSERS if cls.name not in SLOW]
    pictures |= {cls.name: cls()(pair.a[None], pair.b[None])[0] for cls in shown}
    for name, picture in pictures.items():
        image.write(image.quantise(picture), folder / "gallery" / f"{name}.png")
    named = [f"![{name}](gallery/{name}.png)<br>{_link(name)}" for name in pictures]
    rows = [named[n : n + COLUMNS] for n in range(0, len(named), COLUMNS)]
    rows[-1] += [""] * (COLUMNS - len(rows[-1]))
    text = (
        "# Gallery\n\nOne slice of the embedded head, which is synthetic, by each method with its defaults. "
        f"Not shown, since they take seconds: {', '.join(map(_link, SLOW))}.\n\n{_table([''] * COLUMNS, rows)}\n"
    )
    (folder / "gallery.md").write_text(text, encoding="utf-8")


def _link(name: str) -> str:
    return f"[{name}](fusers/{name}.md)" if name not in {"CT", "MRI"} else name
