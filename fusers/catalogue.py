"""Every fuser of the bench, in the order of the tables: one line each; and those that other packages bring."""

import importlib
import os
import sys
import warnings
from functools import lru_cache
from importlib import metadata
from typing import Any

from fusebench.fusers import foreign
from fusebench.fusers.base import Fuser, check_class, label, parse
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
from fusebench.fusers.decision.bayes import Bayes
from fusebench.fusers.decision.dempster_shafer import DempsterShafer
from fusebench.fusers.feature.adf import ADF
from fusebench.fusers.feature.cbf import CBF
from fusebench.fusers.feature.csr import CSR
from fusebench.fusers.feature.dchwt import DCHWT
from fusebench.fusers.feature.ddct_pca import DDCTPCA
from fusebench.fusers.feature.fpde import FPDE
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.feature.gtf import GTF
from fusebench.fusers.feature.hmsd_gf import HMSDGF
from fusebench.fusers.feature.hybrid_msd import HybridMSD
from fusebench.fusers.feature.jbf_lge import JBFLGE
from fusebench.fusers.feature.mdlatlrr import MDLatLRR
from fusebench.fusers.feature.mgff import MGFF
from fusebench.fusers.feature.structure_aware import StructureAware
from fusebench.fusers.feature.tif import TIF
from fusebench.fusers.feature.vsm_wls import VSMWLS
from fusebench.fusers.function import fuser
from fusebench.fusers.neural.dlf import DLF
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.onnx_model import OnnxModel
from fusebench.fusers.neural.pixel_cnn import PixelCNN
from fusebench.fusers.neural.support_value_cnn import SupportValueCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_colour import VGG16Colour
from fusebench.fusers.neural.zero_learning import ZeroLearning
from fusebench.fusers.pixel.contourlet import Contourlet
from fusebench.fusers.pixel.contrast import Contrast
from fusebench.fusers.pixel.curvelet import Curvelet
from fusebench.fusers.pixel.cvt_sr import CVTSR
from fusebench.fusers.pixel.dtcwt import DTCWT
from fusebench.fusers.pixel.dtcwt_sr import DTCWTSR
from fusebench.fusers.pixel.dwt_sr import DWTSR
from fusebench.fusers.pixel.gradient import Gradient
from fusebench.fusers.pixel.laplacian import Laplacian
from fusebench.fusers.pixel.lp_sr import LPSR
from fusebench.fusers.pixel.morphological import Morphological
from fusebench.fusers.pixel.msvd import MSVD
from fusebench.fusers.pixel.multiscale import Multiscale
from fusebench.fusers.pixel.nsct import NSCT
from fusebench.fusers.pixel.nsct_pcnn import NSCTPCNN
from fusebench.fusers.pixel.nsct_sr import NSCTSR
from fusebench.fusers.pixel.nsst import NSST
from fusebench.fusers.pixel.nsst_msmg_pcnn import NSSTMSMGPCNN
from fusebench.fusers.pixel.nsst_papcnn import NSSTPAPCNN
from fusebench.fusers.pixel.nsst_sr import NSSTSR
from fusebench.fusers.pixel.pca import PCA
from fusebench.fusers.pixel.pcnn import PCNN
from fusebench.fusers.pixel.ratio import Ratio
from fusebench.fusers.pixel.rp_sr import RPSR
from fusebench.fusers.pixel.sr import SR
from fusebench.fusers.pixel.swt import SWT
from fusebench.fusers.pixel.trivial import Average, Maximum, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.fusers.pixel.weighted import WeightedAverage

# What no method should lose to; tables set these rows apart.
TRIVIAL: tuple[type[Fuser], ...] = (SourceA, SourceB, Average, Maximum)

# Neither iterative nor neural: they cost about as much as scoring them.
CLASSICAL: tuple[type[Fuser], ...] = (
    *TRIVIAL,
    Wavelet,
    Contourlet,
    NSCT,
    WeightedAverage,
    PCA,
    MSVD,
    Laplacian,
    Ratio,
    Contrast,
    Gradient,
    Morphological,
    SWT,
    DTCWT,
    Curvelet,
    NSST,
    NSCTPCNN,
    NSSTPAPCNN,
    NSSTMSMGPCNN,
    PCNN,
    LPSR,
    RPSR,
    DWTSR,
    DTCWTSR,
    CVTSR,
    NSCTSR,
    NSSTSR,
    SR,
    Multiscale,
    GFF,
    MGFF,
    ADF,
    FPDE,
    TIF,
    CBF,
    DCHWT,
    VSMWLS,
    HMSDGF,
    HybridMSD,
    JBFLGE,
    StructureAware,
    DDCTPCA,
    Bayes,
    DempsterShafer,
)

FUSERS: tuple[type[Fuser], ...] = (
    *CLASSICAL,
    GTF,
    MDLatLRR,
    CSR,
    DLF,
    ZeroLearning,
    MultiFocusCNN,
    PixelCNN,
    SupportValueCNN,
    VGG16LBFGS,
)

# They take and give colour images: the suite colour has them.
COLOUR: tuple[type[Fuser], ...] = (
    Luma,
    IHS,
    AdaptiveIHS,
    PCAIHS,
    Brovey,
    HSV,
    Lab,
    Channels,
    Overlay,
    Uptake,
    VGG16Colour,
)

# What fuses only with a file of the user's: it has a name, and no row in a suite.
ON_REQUEST: tuple[type[Fuser], ...] = (OnnxModel,)

GROUP = "fusebench.fusers"


@lru_cache(maxsize=1)
def plugins() -> tuple[type[Fuser], ...]:
    """Load the fusers that installed packages offer under the entry-point group `fusebench.fusers`, by their names.

    One that cannot be imported, is no fuser or has the name of another is named in a warning and left out.
    """
    found: dict[str, type[Fuser]] = {cls.name: cls for cls in (*FUSERS, *COLOUR)}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        try:
            with foreign.reading(point.module.partition(".")[0]), foreign.printing(f"plug-in {point.name}"):
                cls = point.load()
                check_class(cls)
                label(cls())  # with no options given
            reason = f"a fuser is called {cls.name} already" if cls.name in found else ""
        except Exception as error:  # noqa: BLE001  somebody else's code
            reason = " ".join(f"{type(error).__name__}: {error}".split())
        if reason:
            warnings.warn(f"plug-in {point.name} ({point.value}) is left out: {reason}", stacklevel=2)
        else:
            found[cls.name] = cls
    return tuple(found.values())[len(FUSERS) + len(COLOUR) :]


def known() -> tuple[type[Fuser], ...]:
    """Give every fuser there is: the bench's own, then the plug-ins'."""
    return (*FUSERS, *COLOUR, *plugins(), *ON_REQUEST)


def make(text: str) -> Fuser:
    """Make a fuser of its label, NAME[option=value,...], or of one's own, module:NAME[option=value,...].

    What the module calls NAME is a fuser's class, or a function of two images (`function.fuser`).

    Raises
    ------
    ValueError
        If there is no such fuser, it cannot be imported, or an option is wrong.

    Examples
    --------
    >>> make("fusebench.fusers.pixel.wavelet:Wavelet[levels=2]") == make("wavelet[levels=2]")
    True
    """
    where, bracket, options = text.partition("[")
    if ":" not in where:
        return parse(text, known())
    found = named(where.strip())
    try:
        cls = found if isinstance(found, type) or not callable(found) else fuser(found.__name__)(found)
        check_class(cls)
        return parse(f"{cls.name}{bracket}{options}", [cls])
    except Exception as error:
        raise ValueError(f"{text}: {error}") from error


def named(where: str) -> Any:
    """Import what "module:NAME" names; modules of the current folder are found too.

    Raises
    ------
    ValueError
        If it cannot be imported.

    Examples
    --------
    >>> named("fusebench.fusers.pixel.wavelet:Wavelet").name
    'wavelet'
    """
    module, colon, name = where.partition(":")
    if not (module and colon and name):
        raise ValueError(f"{where!r}: expected module:NAME")
    if (folder := os.getcwd()) not in sys.path:  # noqa: PTH109  sys.path holds text
        sys.path.append(folder)
    try:
        with foreign.reading(module.partition(".")[0]), foreign.printing(module):
            return getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ValueError(f"{where}: cannot be imported ({type(error).__name__}: {error})") from error
