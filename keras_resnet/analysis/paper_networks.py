"""The paper's plain and residual networks of any depth. This module imports neither Keras nor TensorFlow."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_resnet.variants import VARIANTS

SHORTCUTS = ("A", "B", "C", None)  # section 3.3; None: the plain network
DEFAULT_SHORTCUT = "B"  # of `keras_resnet.ResNet`
SMALLEST = 8  # 6n + 2 for n = 1
IMAGENET_DEPTHS = (18, 34)  # table 1; the deeper ones have bottlenecks


class Network(NamedTuple):
    """A network of the paper.

    Attributes:
        name: such as "plainnet56_cifar"; a shortcut that is not the variant's own is a suffix: "resnet56_cifar_b".
        depth: number of weighted layers, projections excluded.
        shortcut: "A", "B" or "C"; None in a plain network.
        variant: the variant that it is built from.
        options: of `keras_resnet.create_model`, in which it differs from the variant, besides the name.
    """

    name: str
    depth: int
    shortcut: str | None
    variant: str
    options: Mapping[str, Any]


def paper_network(depth: int, shortcut: str | None) -> Network:
    """The network of a depth, for CIFAR (section 4.2: 6n + 2 layers) or for photos (table 1: 18 or 34 layers).

    Args:
        depth: number of weighted layers.
        shortcut: "A" (zero-padded), "B" (projections where the shape changes), "C" (projections everywhere), or None
            for the plain network.

    Raises:
        ValueError: the paper has no network of this depth.

    Example:
        >>> from keras_resnet.analysis.paper_networks import paper_network
        >>> paper_network(56, None).name, paper_network(14, "B").options
        ('plainnet56_cifar', {'depths': (2, 2, 2), 'shortcut': 'B'})
    """
    check_depth(depth)
    family = "resnet" if shortcut else "plainnet"
    options: dict[str, Any] = {}
    if is_for_photos(depth):
        name = variant = f"{family}{depth}"
    else:
        name, variant = f"{family}{depth}_cifar", f"{family}20_cifar"
        options["depths"] = 3 * ((depth - 2) // 6,)
    if shortcut and shortcut != VARIANTS[variant].get("shortcut", DEFAULT_SHORTCUT):
        name = f"{name}_{shortcut.lower()}"
        options["shortcut"] = shortcut
    return Network(name, depth, shortcut, variant, options)


def check_depth(depth: int) -> None:
    """Checks that the paper has networks of this depth.

    Raises:
        ValueError: it has none.
    """
    if not is_for_photos(depth) and (depth < SMALLEST or depth % 6 != 2):
        raise ValueError(
            f"There is no network of {depth} layers: those for CIFAR have 6n + 2 layers (8, 14, 20, ...), those for "
            "photos 18 or 34."
        )


def is_for_photos(depth: int) -> bool:
    """Whether a network of this depth has the stem and the stages for photos, instead of those for CIFAR."""
    return depth in IMAGENET_DEPTHS
