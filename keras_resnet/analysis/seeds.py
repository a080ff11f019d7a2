"""Results over the seeds of a training: mean and range, and whether two of them differ by more than that range."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

HIGHER, LOWER, CANNOT_TELL = "higher", "lower", "cannot tell"


class Spread(NamedTuple):
    """A value over seeds.

    Attributes:
        mean: over the seeds.
        lowest: of the seeds.
        highest: of the seeds.
        seeds: number of them.
    """

    mean: float
    lowest: float
    highest: float
    seeds: int

    def percent(self) -> str:
        """Mean and range of a fraction in words.

        Example:
            >>> from keras_resnet.analysis.seeds import spread
            >>> spread([0.25]).percent(), spread([0.25, 0.2]).percent()
            ('25.00 %', '22.50 % (20.00 to 25.00)')
        """
        mean = f"{100 * self.mean:.2f} %"
        return mean if self.seeds == 1 else f"{mean} ({100 * self.lowest:.2f} to {100 * self.highest:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """The mean and the range of a value over seeds.

    Args:
        values: one or more, one for each seed.

    Example:
        >>> from keras_resnet.analysis.seeds import spread
        >>> spread([1.0, 3.0])
        Spread(mean=2.0, lowest=1.0, highest=3.0, seeds=2)
    """
    return Spread(float(np.mean(values)), float(min(values)), float(max(values)), len(values))


def compare(first: Spread, second: Spread) -> str:
    """Whether the first is HIGHER or LOWER with every seed; CANNOT_TELL if the ranges touch.

    Example:
        >>> from keras_resnet.analysis.seeds import compare, spread
        >>> compare(spread([3, 4]), spread([1, 2])), compare(spread([2, 4]), spread([1, 3]))
        ('higher', 'cannot tell')
    """
    if first.lowest > second.highest:
        return HIGHER
    return LOWER if first.highest < second.lowest else CANNOT_TELL
