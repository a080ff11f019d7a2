"""Lesions: blocks of a trained network removed or reordered, and the accuracy that remains.

Source: Veit, Wilber, Belongie 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
https://arxiv.org/abs/1605.06431, section 4.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_resnet.analysis.chain import Chain
from keras_resnet.analysis.samples import Sample
from keras_resnet.analysis.scores import Score, batches, score
from keras_resnet.progress import bar_shown

MOST_COUNTS = 8  # different numbers of blocks that are removed, or of pairs that change places


@dataclasses.dataclass(frozen=True)
class Lesion:
    """A change to the order of a network's blocks.

    Attributes:
        kind: "none", "removal" (of one block), "removals" (of several), "swap" (of two neighbors), or "shuffle" (of
            random pairs of blocks of the same shape).
        count: number of blocks that are removed, or of pairs that change places one after another.
        order: numbers of all blocks, from 0, in the order in which they run.
        removed: those whose branch is removed; the shortcut and the activation after the sum remain.
    """

    kind: str
    count: int
    order: tuple[int, ...]
    removed: frozenset[int] = frozenset()

    @property
    def changed(self) -> list[int]:
        """The numbers of the blocks that are removed or elsewhere, in the order in which they run."""
        return [number for place, number in enumerate(self.order) if number != place or number in self.removed]


def standard_lesions(chain: Chain, draws: int = 5, seed: int = 0) -> list[Lesion]:
    """The lesions of the paper: none, each block removed, several removed, neighbors swapped, and pairs shuffled.

    Args:
        chain: the network.
        draws: random choices for each number of blocks or pairs.
        seed: of the choices.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.chain import Chain
        >>> from keras_resnet.analysis.lesions import standard_lesions
        >>> lesions = standard_lesions(Chain(keras_resnet.ResNet20Cifar()), draws=1)
        >>> [lesion.changed for lesion in lesions][:3]
        [[], [0], [1]]
    """
    random, order = np.random.default_rng(seed), tuple(range(len(chain.links)))
    none = [Lesion("none", 0, order)]
    removals = [Lesion("removal", 1, order, frozenset([number])) for number in chain.removable]
    return [
        *none,
        *removals,
        *_several_removals(chain, order, draws, random),
        *_swaps(chain, order),
        *_shuffles(chain, order, draws, random),
    ]


def _several_removals(
    chain: Chain, order: tuple[int, ...], draws: int, random: np.random.Generator
) -> Iterator[Lesion]:
    for count in _counts(2, len(chain.removable)):
        for _ in range(draws if count < len(chain.removable) else 1):
            removed = random.choice(chain.removable, count, replace=False).tolist()
            yield Lesion("removals", count, order, frozenset(removed))


def _swaps(chain: Chain, order: tuple[int, ...]) -> Iterator[Lesion]:
    for first, second in itertools.pairwise(order):
        if any({first, second} <= {*numbers} for numbers in chain.alike):
            yield Lesion("swap", 1, _exchanged(order, first, second))


def _shuffles(chain: Chain, order: tuple[int, ...], draws: int, random: np.random.Generator) -> Iterator[Lesion]:
    pairs = [pair for numbers in chain.alike for pair in itertools.combinations(numbers, 2)]
    for count in _counts(1, min(len(pairs), sum(map(len, chain.alike)))):
        for _ in range(draws):
            shuffled = order
            for chosen in random.choice(len(pairs), count, replace=False):  # none twice, which would undo it
                shuffled = _exchanged(shuffled, *pairs[chosen])
            yield Lesion("shuffle", count, shuffled)


def _exchanged(order: tuple[int, ...], first: int, second: int) -> tuple[int, ...]:
    """The order with two places exchanged."""
    places = {first: order[second], second: order[first]}
    return tuple(places.get(place, number) for place, number in enumerate(order))


def _counts(low: int, high: int) -> list[int]:
    """Whole numbers from `low` to `high`; some of them, evenly spread, if they are many."""
    return np.unique(np.linspace(low, high, min(MOST_COUNTS, max(0, high - low + 1))).round().astype(int)).tolist()


def score_lesions(chain: Chain, images: Sample, lesions: Sequence[Lesion], verbose: int | str = 0) -> list[Score]:
    """Loss and accuracy of a network with each of several lesions.

    Args:
        chain: the network.
        images: with labels.
        lesions: as from `standard_lesions`.
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.chain import Chain
        >>> from keras_resnet.analysis.lesions import score_lesions, standard_lesions
        >>> from keras_resnet.analysis.samples import Sample
        >>> chain = Chain(keras_resnet.ResNet("basic", (1, 2), widths=(8, 8), stem="cifar", input_shape=(8, 8, 3)))
        >>> images = Sample(np.zeros((2, 8, 8, 3), "float32"), np.array([0, 1]))
        >>> lesions = standard_lesions(chain)
        >>> len(score_lesions(chain, images, lesions)) == len(lesions)
        True
    """
    routes = [(lesion.order, lesion.removed) for lesion in lesions]
    outputs: list[list[np.ndarray]] = [[] for _ in lesions]
    total = len(lesions) * len(images.images)
    bar = keras.utils.Progbar(total, verbose=bar_shown(verbose), unit_name="image")
    for batch in batches(images):
        for found, of_lesion in zip(chain.outputs(batch, routes), outputs, strict=True):
            of_lesion.append(np.asarray(found))
            bar.add(len(batch))
    return [score(chain.model, np.concatenate(of_lesion), images.labels) for of_lesion in outputs]
