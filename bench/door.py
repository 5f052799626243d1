"""The door for people who write Python: images in, images and data frames out.

An image is a NumPy array, a torch tensor or a PIL image: (H, W), or (H, W, 3) for sRGB colour, 8 bits, or floating in
[0, 1]. Luma (BT.601) is fused and scored; a fused image has the colour of its coloured source.
"""

import base64
import shutil
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from fusebench.bench.engine import run, store, work
from fusebench.bench.provenance import Request
from fusebench.bench.suite import Table
from fusebench.datasets import colour
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser, label, parse
from fusebench.fusers.catalogue import TRIVIAL, known
from fusebench.fusers.function import Function, fuser
from fusebench.metrics import profiles
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.foreground import foreground
from torch import Tensor

Image = Any  # an array, a tensor or a PIL image
Method = str | Fuser | type[Fuser] | Function
SHOWN = 8  # pairs whose images a notebook shows


def fuse(a: Image, b: Image, method: Method) -> Image:
    """Fuse two registered images.

    Parameters
    ----------
    a, b
        The sources, of one size; see the module.
    method
        A label such as "nsct" or "vgg16[layer=conv2_1]", a fuser, or a function of two NumPy images (H, W), float32 in
        [0, 1], that returns their fusion.

    Returns
    -------
    array, tensor or PIL image
        What `a` is: of its kind and type, with 256 levels. (H, W), or (H, W, 3) where a source is coloured.

    Raises
    ------
    TypeError
        If something is no image or no method.
    ValueError
        If the sources differ in size or their values in range, the method is unknown, or what it returns is no image.

    Examples
    --------
    >>> ct, mri = np.zeros((4, 4), np.uint8), np.full((4, 4), 200, np.uint8)
    >>> fuse(ct, mri, "average")[0].tolist()
    [100, 100, 100, 100]
    """
    pair = _pair("pairs", "pair", a, b)
    fused, coloured = work.fuse(_method(method), pair)
    return _like(a, fused if coloured is None else coloured.movedim(0, -1))


def score(
    a: Image,
    b: Image,
    fused: Image | Mapping[str, Image],
    profile: str = "default",
    *,
    metrics: str | Iterable[str] | None = None,
    mask: Image | Literal["foreground"] | None = None,
) -> pd.DataFrame:
    """Score fused images of one pair.

    Parameters
    ----------
    a, b
        The sources; see the module.
    fused
        Their fusion, or several by name. Each is rounded to 256 levels, as it would be written.
    profile
        "default" for every definition of the bench, "seed" for the paper's, or what a code base prints ("vifb").
    metrics
        Instead of a profile: labels, such as ["SF", "Q_ABF@vifb"].
    mask
        Where the scores are taken: (H, W), not 0 inside; or "foreground".

    Returns
    -------
    DataFrame
        A row for each image, a column for each metric.

    Raises
    ------
    TypeError
        If something is no image.
    ValueError
        If sizes or values do not go together, or a name is unknown.

    Examples
    --------
    >>> x = np.tile(np.arange(0, 64, 4, dtype=np.uint8), (16, 1))
    >>> score(x, x, {"x": x, "flat": 0 * x}, metrics=["SF", "PSNR"]).round(2)
            SF  PSNR
    x     3.87   inf
    flat  0.00  17.2
    """
    named = dict(fused) if isinstance(fused, Mapping) else {"fused": fused}
    pair = _pair("pairs", "pair", a, b)
    x, y, *images = (quantise(image)[None] for image in (pair.a, pair.b, *(_read(i)[0] for i in named.values())))
    for name, image in zip(named, images, strict=True):
        if image.shape != x.shape:
            raise ValueError(f"{name}: {tuple(image.shape[1:])} pixels, but its sources are {tuple(x.shape[1:])}")
    if mask is None:
        inside = None
    elif isinstance(mask, str):
        if mask != "foreground":
            raise ValueError(f"mask={mask!r}: expected an image that is not 0 inside, or 'foreground'")
        inside = foreground(x, y)
    else:
        inside = torch.as_tensor(np.asarray(mask) != 0)[None]
    asked = _joined(profile if metrics is None else metrics)
    scores = profiles.score(x, y, torch.cat(images), asked, inside)
    return pd.DataFrame({name: values.tolist() for name, values in scores.items()}, index=[*named])


def compare(
    pairs: Sequence[tuple[Image, Image]] | Mapping[str, Sequence[tuple[Image, Image]]],
    methods: Iterable[Method] | Mapping[str, Method],
    metrics: str | Iterable[str] = "default",
    *,
    out: Path | str | None = None,
    jobs: int = 1,
) -> "Comparison":
    """Run methods on pairs and score what they give, beside the sources, their average and their maximum.

    Parameters
    ----------
    pairs
        Pairs of images, or such lists by the kind of pair: {"CT-MRI": [(ct, mri), ...]}.
    methods
        Methods as `fuse` takes them; functions are called by their names, or by those of a mapping.
    metrics
        Profiles and labels of metrics.
    out
        A folder to keep everything in, as `fusebench bench --out` does; it goes on where it stopped. Without it nothing
        is kept.
    jobs
        Worker processes. Methods that only this process knows, as those of a notebook, need 1.

    Raises
    ------
    TypeError, ValueError
        As `fuse` and `score`; and if two methods have one name. What a method raises is a failure of its row.

    Examples
    --------
    >>> ct, mri = np.zeros((16, 16), np.uint8), np.tile(np.arange(0, 64, 4, dtype=np.uint8), (16, 1))
    >>> compared = compare([(ct, mri)], {"brighter": np.maximum}, metrics="SF")
    >>> compared.table().round(2)["SF"].to_dict()
    {'source-a': 0.0, 'source-b': 3.87, 'average': 1.94, 'maximum': 3.87, 'brighter': 3.87}
    """
    kinds = pairs if isinstance(pairs, Mapping) else {"pairs": pairs}
    rows: tuple[Fuser, ...] = (*(cls() for cls in TRIVIAL), *_methods(methods))
    columns = profiles.chosen(_joined(metrics))
    suite = {}
    for kind, listed in kinds.items():
        width = len(str(len(listed)))
        entries = []
        for n, (a, b) in enumerate(listed, 1):
            name = f"{n:0{width}d}"
            entries.append(Entry(kind, name, None, partial(_given, _pair(kind, name, a, b)), "given"))
        suite[kind] = Table(kind, rows, tuple(entries), columns)
    folder = Path(out or mkdtemp(prefix="fusebench-"))
    with warnings.catch_warnings():
        if out is None:  # nothing is kept, so that it does not matter what could be taken over
            warnings.filterwarnings("ignore", message=".*it is computed in every run")
        summary = run.run(suite, folder, name="compare", request=Request("given"), jobs=jobs)
    compared = Comparison(folder, tuple(label(row) for row in rows), summary.failures)
    if out is None:
        weakref.finalize(compared, shutil.rmtree, folder, ignore_errors=True)
    return compared


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to.

    Attributes
    ----------
    folder
        Where scores.csv, run.json and the fused images are; a temporary one goes with this object.
    methods
        The rows, trivial ones first.
    failures
        What gave no image or no score.
    """

    folder: Path
    methods: tuple[str, ...]
    failures: tuple[store.Failure, ...]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every score: the columns dataset, kind, case, pair, fuser, metric, score."""
        return pd.DataFrame(store.read_rows(self.folder / store.SCORES, store.Result), columns=store.Result._fields)

    def table(self, kind: str | None = None) -> pd.DataFrame:
        """Mean scores over the pairs of a kind, a row for each method; NaN where a method lacks a pair.

        Raises
        ------
        ValueError
            If there is no such kind, or there are several and none is named.
        """
        scores = self.scores
        kinds = [*dict.fromkeys(scores.kind)]
        if (kind is None and len(kinds) > 1) or (kind is not None and kind not in kinds):
            raise ValueError(f"kind={kind!r}: there are {', '.join(kinds)}")
        chosen = scores[scores.kind == (kind or kinds[0])]
        wide = chosen.pivot_table(
            index="fuser", columns="metric", values="score", aggfunc=_mean, sort=False, dropna=False
        )
        counts = chosen.groupby("fuser").pair.nunique()
        wide[counts[wide.index] < chosen.pair.nunique()] = np.nan
        columns = [metric for metric in dict.fromkeys(m.label for m in METRICS) if metric in wide]
        return wide.reindex(index=[m for m in self.methods if m in wide.index], columns=columns).rename_axis(
            index=None, columns=None
        )

    def show(self, kind: str | None = None) -> None:
        """Show the table, and in a notebook the fused images of the first pairs too."""
        try:
            from IPython.display import HTML, display
        except ImportError:
            print(self.table(kind).to_string())  # noqa: T201  it was asked for
        else:
            display(HTML(self._repr_html_()))

    def _repr_html_(self) -> str:
        parts = []
        for kind in dict.fromkeys(self.scores.kind):
            parts += [f"<h4>{escape(kind)}</h4>", self.table(kind).round(4).to_html()]
            listed = self.scores[self.scores.kind == kind]
            for pair in [*dict.fromkeys(listed.pair)][:SHOWN]:
                parts.append("<div style='display:flex;flex-wrap:wrap;gap:4px'>")
                for method in self.methods:
                    path = self.folder / store.FUSED / store.image_path((kind, pair, method))
                    if path.is_file():
                        content = base64.b64encode(path.read_bytes()).decode()
                        parts.append(
                            f"<figure style='margin:0'><img width=160 alt='{escape(method)}' "
                            f"src='data:image/png;base64,{content}'><figcaption>{escape(method)}</figcaption></figure>"
                        )
                parts.append("</div>")
        return "\n".join(parts)


def _mean(values: "pd.Series[float]") -> float:
    return float(values.mean(skipna=False))


def _joined(names: str | Iterable[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)


def _given(pair: Pair) -> Pair:
    return pair


def _methods(methods: Iterable[Method] | Mapping[str, Method]) -> list[Fuser]:
    if isinstance(methods, str) or not isinstance(methods, Iterable):
        raise TypeError(f"methods={methods!r}: expected a list of methods, or a mapping from names to them")
    if isinstance(methods, Mapping):
        return [_method(method, name) for name, method in methods.items()]
    return [_method(method) for method in methods]


def _method(method: Method, name: str | None = None) -> Fuser:
    """Make a fuser of a label, a class or a function; a name is for a function."""
    if isinstance(method, str):
        return parse(method, known())
    if isinstance(method, type):
        made: Fuser = method()
        return made
    if hasattr(method, "name"):
        return cast("Fuser", method)
    if callable(method):
        title = name or str(getattr(method, "__name__", type(method).__name__))
        return fuser(title)(method)()
    raise TypeError(f"{method!r} is no method; expected a label, a fuser, or a function of two images")


def _pair(kind: str, name: str, a: Image, b: Image) -> Pair:
    (grey_a, chroma_a), (grey_b, chroma_b) = _read(a), _read(b)
    return Pair(grey_a, grey_b, kind, name, None, chromas=(chroma_a, chroma_b))


def _read(image: Image) -> tuple[Tensor, Tensor | None]:
    """Give an image as it is fused: luma (H, W), float32 in [0, 1], and chroma where it has one."""
    pixels = _array(image)
    if pixels.ndim == 3 and pixels.shape[-1] == 3:
        if pixels.dtype != np.uint8:
            pixels = quantise(torch.from_numpy(_checked(pixels))).numpy()
        return colour.grey_and_chroma(pixels)
    if pixels.ndim != 2:
        raise ValueError(f"an image has shape (H, W) or (H, W, 3), this one {pixels.shape}")
    if pixels.dtype == np.uint8:
        return torch.from_numpy(pixels.astype(np.float32) / np.float32(255)), None
    return torch.from_numpy(_checked(pixels).astype(np.float32)), None


def _array(image: Image) -> npt.NDArray[Any]:
    if isinstance(image, Tensor):
        return image.detach().cpu().numpy()
    if isinstance(image, np.ndarray):
        return image
    if hasattr(image, "mode") and hasattr(image, "convert"):  # PIL's
        return np.asarray(image if image.mode in {"L", "RGB"} else image.convert("RGB"))
    raise TypeError(f"{type(image).__name__} is no image; expected a NumPy array, a tensor or a PIL image")


def _checked(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if pixels.dtype.kind != "f":
        raise ValueError(f"an image is uint8, or floating in [0, 1], not {pixels.dtype}")
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(f"floating images lie in [0, 1], not from {pixels.min():g} to {pixels.max():g}")
    return pixels


def _like(image: Image, levels: Tensor) -> Image:
    """Give grey levels, uint8, as an image of the kind and the type of another."""
    if isinstance(image, Tensor):
        return levels.to(image.device) if image.dtype == torch.uint8 else (levels / 255).to(image)
    if isinstance(image, np.ndarray):
        return levels.numpy() if image.dtype == np.uint8 else (levels.numpy() / 255).astype(image.dtype)
    from PIL import Image as Pillow

    return Pillow.fromarray(np.ascontiguousarray(levels.numpy()))
