"""The tables of the papers, theirs beside ours."""

from ._lines import markdown
from ._papers import table, verdict
from ._reported import CLAIMS


def scalenet_rates():
    return table("scalenet_rates")


def scalenet_scales():
    return table("scalenet_scales")


def scalenet_limited():
    return table("scalenet_limited")


def scalenet_simclr():
    return table("scalenet_simclr")


def scalenet_alexnet():
    return table("scalenet_alexnet")


def patches_tiny():
    return table("patches_tiny")


def patches_stl():
    return table("patches_stl")


def patches_resnet32():
    return table("patches_resnet32")


def decoupling_tiny():
    return table("decoupling_tiny")


def decoupling_transfer():
    return table("decoupling_transfer")


def pets_networks():
    return table("pets_networks")


def pets_rates():
    return table("pets_rates")


def nin_blocks():
    return table("nin_blocks")


def nin_heads():
    return table("nin_heads")


def paper_claims():
    """Which claims hold: the difference of two rows, in points."""
    body = [verdict(claim) for claim in CLAIMS]
    return markdown(["paper", "claim", "theirs", "here", "seeds", ""], body)
