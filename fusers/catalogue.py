"""Every fuser of the bench, in the order of the tables: one line each."""

from fusebench.fusers.base import Fuser
from fusebench.fusers.contourlet import Contourlet
from fusebench.fusers.multifocus import MultiFocusCNN
from fusebench.fusers.nsct import NSCT
from fusebench.fusers.trivial import Average, Maximum, SourceA, SourceB
from fusebench.fusers.vgg16 import VGG16LBFGS
from fusebench.fusers.wavelet import Wavelet

# What no method should lose to; tables set these rows apart.
TRIVIAL: tuple[type[Fuser], ...] = (SourceA, SourceB, Average, Maximum)

FUSERS: tuple[type[Fuser], ...] = (
    *TRIVIAL,
    Wavelet,
    Contourlet,
    NSCT,
    MultiFocusCNN,
    VGG16LBFGS,
)
