"""Draws some of many images."""

from collections.abc import Sequence

import numpy as np

SEED = 20151210  # with the seed of a run, the draw would give the images that the run held out


def evenly_drawn(groups: Sequence[str] | np.ndarray, count: int, seed: int = SEED) -> np.ndarray:
    """Positions of at most `count` members, ascending, drawn at random and as evenly as possible from all groups.

    Args:
        groups: of each member, such as its class.
        count: number of members, or all if there are fewer.
        seed: of the draw.

    Example:
        >>> from keras_resnet.data.drawing import evenly_drawn
        >>> groups = ["cat", "cat", "cat", "dog"]
        >>> sorted(groups[position] for position in evenly_drawn(groups, count=2))
        ['cat', 'dog']
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    _, group = np.unique(np.asarray(groups)[order], return_inverse=True)
    by_group = np.argsort(group, kind="stable")
    rounds = np.empty(len(order), int)  # in which a member is drawn: 0 for the first of its group
    rounds[by_group] = np.arange(len(order)) - np.searchsorted(group[by_group], group[by_group])
    return np.sort(order[np.argsort(rounds, kind="stable")[:count]])
