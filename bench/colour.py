"""The suite colour: what becomes of the colour of PET and SPECT, and at what price in detail."""

from collections.abc import Iterable
from dataclasses import replace

from fusebench.bench.paper import METRICS, by_method, in_order
from fusebench.bench.suite import Suite, select
from fusebench.datasets import colour as colours
from fusebench.datasets.cases import Say, silent
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser
from fusebench.fusers.catalogue import TRIVIAL
from fusebench.fusers.colour.adaptive_ihs import AdaptiveIHS
from fusebench.fusers.colour.brovey import Brovey
from fusebench.fusers.colour.channels import Channels
from fusebench.fusers.colour.hsv import HSV
from fusebench.fusers.colour.ihs import IHS
from fusebench.fusers.colour.lab import Lab
from fusebench.fusers.colour.luma import Luma
from fusebench.fusers.colour.overlay import Overlay
from fusebench.fusers.colour.pca_ihs import PCAIHS
from fusebench.fusers.colour.uptake import Uptake
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_colour import VGG16Colour
from fusebench.metrics import chroma, uptake
from fusebench.metrics.base import Metric
from fusebench.metrics.profiles import chosen

# Each space with the other source's brightness put in, and with both fused; a grey fuser's image gets its colour back.
DETAIL = "laplacian"
METHODS: tuple[Fuser, ...] = (
    *(cls() for cls in TRIVIAL),
    Overlay(),
    *(space(intensity) for space in (Luma, IHS, Brovey, HSV, Lab) for intensity in ("substitute", DETAIL)),
    AdaptiveIHS(),
    PCAIHS(),
    Channels(DETAIL),
    VGG16LBFGS(),
    VGG16Colour(),
)
SHOWN = chosen("Q_ABF,VIFF,Q_CV,SF")


def colour(entries: Iterable[Entry], pairs: int | None = None, *, table: str | None = None, say: Say = silent) -> Suite:
    """Build a table of colour methods for each kind that has a coloured source.

    By every default metric of the luma, by what is kept of hue and saturation, and where the colours are those of a
    table by what is kept of the uptake.

    Parameters
    ----------
    entries
        The pairs.
    pairs
        How many of each kind (`select`); None for the middle slice of each case, at most 5.
    table
        The colour table of the sources. Without it one of the Whole Brain Atlas's is taken where the colours of each
        kind's first pair lie on it.
    say
        Is told which table that is, and which kinds are left out.

    Raises
    ------
    ValueError
        If no pair has a coloured source, or its colours are not of the table that is named.
    """
    chosen_pairs = {kind: select(listed, pairs) for kind, listed in in_order(entries).items()}
    tables_of: dict[str, str | None] = {}
    for kind, listed in chosen_pairs.items():
        first = listed[0].read()
        if not first.coloured:
            say(f"{kind}: its sources are grey, so it is left out")
            continue
        tables_of[kind] = _table(first, table)
        said = f"in the colours of {tables_of[kind]}" if tables_of[kind] else "in colours of no table that is known"
        say(f"{kind}: {' and '.join(first.coloured)} {said}{'' if tables_of[kind] else ', so uptake is not read'}")
    if not tables_of:
        raise ValueError("no source is coloured; the suite colour is about PET and SPECT in pseudo-colour")
    made = by_method("Colour", {kind: (_methods(name), chosen_pairs[kind]) for kind, name in tables_of.items()})
    return {
        number: replace(one, metrics=(*METRICS, *_of_colour(name)), shown=(*SHOWN, *_of_colour(name)))
        for (number, one), name in zip(made.items(), tables_of.values(), strict=True)
    }


def _table(pair: Pair, table: str | None) -> str | None:
    """Say in which table's colours a pair is: the named one, or one of the Whole Brain Atlas's, or none."""
    images = [
        quantise(image).movedim(0, -1).numpy()
        for image, chroma in zip(pair.channels, pair.chromas, strict=True)
        if chroma is not None
    ]
    if table is not None:
        for image in images:
            try:
                colours.invert(image, table)
            except ValueError as error:  # another table's colours
                raise ValueError(f"{pair.kind}/{pair.name}: {error}") from None
        return table
    found = {colours.table_of(image) for image in images}
    return found.pop() if len(found) == 1 else None


def _methods(table: str | None) -> tuple[Fuser, ...]:
    return METHODS if table is None else (*METHODS, Uptake(DETAIL, table=table))


def _of_colour(table: str | None) -> tuple[Metric, ...]:
    return (*chroma.RECORDS, *(uptake.records(table) if table else ()))
