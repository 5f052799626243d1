"""The contract every fuser keeps, and what each of the simple ones does."""

import re
import sys

import pytest
import torch
from fusebench.bench.contract import check
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import Fuser, label, parse
from fusebench.fusers.catalogue import COLOUR, FUSERS, TRIVIAL
from fusebench.fusers.feature.csr import CSR
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_colour import VGG16Colour
from fusebench.fusers.pixel.nsct_pcnn import NSCTPCNN
from fusebench.fusers.pixel.nsct_sr import NSCTSR
from fusebench.fusers.pixel.nsst_msmg_pcnn import NSSTMSMGPCNN
from fusebench.fusers.pixel.nsst_papcnn import NSSTPAPCNN
from fusebench.fusers.pixel.nsst_sr import NSSTSR
from fusebench.fusers.pixel.trivial import Average, Maximum, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet

# Short runs: the contract does not depend on how long a method iterates, or in how many bands.
SHORT: list[Fuser] = [
    VGG16LBFGS(rounds=1, iterations=2),
    CSR(iterations=5),
    NSCTPCNN(directions=(2,)),
    NSSTPAPCNN(directions=(2,), sizes=(8,)),
    NSSTMSMGPCNN(directions=(2,), sizes=(8,)),
]
# Their rule and their transforms are tried by others too.
LONG: list[Fuser] = [NSCTSR(directions=(2,)), NSSTSR(directions=(2,), sizes=(8,))]
CONTRACT: list[Fuser] = [cls() for cls in FUSERS if cls not in {*map(type, [*SHORT, *LONG])}] + SHORT
every_fuser = pytest.mark.parametrize(
    "fuser", [*CONTRACT, *(pytest.param(fuser, marks=pytest.mark.slow) for fuser in LONG)], ids=label
)


@every_fuser
def test_every_clause_of_the_contract_is_kept(fuser: Fuser) -> None:
    assert [finding for finding in check(fuser) if finding.problem] == []


@pytest.mark.parametrize(
    "fuser", [VGG16Colour(evaluations=2) if cls is VGG16Colour else cls() for cls in COLOUR], ids=label
)
def test_colour_fusers_keep_the_contract_with_colour_images(fuser: Fuser) -> None:
    assert [finding for finding in check(fuser) if finding.problem] == []


@every_fuser
def test_a_batch_gives_what_its_pairs_give(fuser: Fuser, pair: Pair) -> None:
    a, b = torch.stack([pair.a, pair.b]), torch.stack([pair.b, pair.a.flip(0)])
    alone = torch.cat([fuser(a[n : n + 1], b[n : n + 1]) for n in range(2)])
    assert torch.allclose(fuser(a, b), alone, atol=1e-6)


@every_fuser
def test_two_equal_sources_come_back(fuser: Fuser, pair: Pair) -> None:
    assert torch.allclose(fuser(pair.a[None], pair.a[None]), pair.a[None], atol=1e-5)


def test_labels_show_what_differs() -> None:
    assert label(VGG16LBFGS()) == "vgg16[layer=conv1_2]"
    assert label(VGG16LBFGS(layer="conv2_1", rounds=3)) == "vgg16[layer=conv2_1,rounds=3]"
    assert parse(" vgg16 ", FUSERS) == VGG16LBFGS()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no label"),
        ("wavelet[", "no label"),
        ("wavelt", "no fuser is called 'wavelt'; known: source-a"),
        ("wavelet[level=3]", "no option 'level=3'.*wavelet, levels"),
        ("wavelet[levels]", "no option 'levels'"),
        ("wavelet[levels=four]", "'four' is not what the option takes .int"),
        ("wavelet[levels=0]", "from 1 to 32"),
        ("wavelet[levels=5000]", "from 1 to 32"),
        ("vgg16[layer=conv1_2,layer=conv2_1]", "layer is given twice"),
        ("wavelet[wavelet=sharp]", "'sharp' is none"),
        ("average[x=1]", "none"),
        ("vgg16[layer=conv6_1]", "conv6_1.*conv1_1"),
        ("vgg16[initial=zero]", "blend"),
        ("vgg16[rounds=0]", "positive"),
        ("vgg16[precision=float16]", "float32"),
    ],
)
def test_a_label_that_names_nothing_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text, FUSERS)


def test_the_trivial_fusers_by_hand() -> None:
    a, b = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.5, 0.25]]])
    assert SourceA()(a, b).tolist() == [[[0, 1]]]
    assert SourceB()(a, b).tolist() == [[[0.5, 0.25]]]
    assert Average()(a, b).tolist() == [[[0.25, 0.625]]]
    assert Maximum()(a, b).tolist() == [[[0.5, 1]]]


@pytest.mark.parametrize("fuser", [Average(), Maximum(), Wavelet()], ids=label)
def test_the_order_of_the_sources_does_not_matter(fuser: Fuser, pair: Pair) -> None:
    assert torch.equal(fuser(pair.a[None], pair.b[None]), fuser(pair.b[None], pair.a[None]))


@pytest.mark.parametrize(
    "cls", [cls for cls in (*FUSERS, *COLOUR) if hasattr(cls, "reference")], ids=lambda cls: cls.name
)
def test_the_reference_is_cited(cls: type[Fuser]) -> None:
    # In what documents the fuser or the transform that it is made of: the first author's name and the year.
    reference: str = cls.reference  # type: ignore[attr-defined]
    documented = " ".join(f"{c.__doc__} {sys.modules[c.__module__].__doc__}" for c in cls.__mro__[:-1])
    assert re.fullmatch(r"\D+ (19|20)\d\d", reference)
    assert re.split(r",| et al| \d", reference)[0].split()[-1] in documented
    assert reference[-4:] in documented


def test_all_but_the_trivial_have_a_reference() -> None:
    without = {cls.name for cls in FUSERS if not hasattr(cls, "reference")}
    # Ours, an average, any transform with any rule, and the seed paper's.
    assert without == {*(cls.name for cls in TRIVIAL), "bayes", "weighted", "multiscale", "vgg16"}
