"""Round numbers for the axes of curves."""

import math
from collections.abc import Sequence

STEPS = (1, 2, 5)  # times a power of ten
FEWEST = 3  # labels of a logarithmic axis


def linear_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers at equal distances, the first at or below `low`, the last at or above `high`.

    Args:
        low: the lowest value.
        high: the highest value.
        most: number of steps between ticks, about.

    Example:
        >>> from keras_resnet.reporting.ticks import linear_ticks
        >>> linear_ticks(0, 37)
        [0, 10, 20, 30, 40]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * power for factor in (*STEPS, 10) if factor * power * most >= span * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [_rounded(number * step) for number in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis, the first at or below `low`, the last at or above `high`.

    Within a decade or two they are 1, 2 and 5 times powers of ten, so that at least three have labels.

    Args:
        low: the lowest value, above 0.
        high: the highest value.

    Example:
        >>> from keras_resnet.reporting.ticks import log_ticks
        >>> log_ticks(0.3, 2.4)
        [0.2, 0.5, 1, 2, 5]
        >>> log_ticks(0.001, 2000)
        [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000]
    """
    powers = range(math.floor(math.log10(low) - 1e-9) - 1, math.ceil(math.log10(high)) + 2)
    steps = (1,) if math.log10(high / low) > FEWEST else STEPS
    numbers = [_rounded(step * 10.0**power) for power in powers for step in steps]
    first = max(index for index, number in enumerate(numbers) if number <= low * (1 + 1e-9))
    last = min(index for index, number in enumerate(numbers) if number >= high * (1 - 1e-9))
    return numbers[first : max(last, first + FEWEST - 1) + 1]


def _rounded(number: float) -> float:
    """The number without the noise of floating point; a whole one as an int."""
    number = float(f"{number:.12g}")
    return int(number) if number == int(number) else number


def thinned(ticks: Sequence[float], most: int) -> list[float]:
    """At most `most` of the ticks, at equal distances.

    Example:
        >>> from keras_resnet.reporting.ticks import thinned
        >>> thinned([1, 2, 3, 4, 5], 3)
        [1, 3, 5]
    """
    return list(ticks[:: -(-len(ticks) // most)])
