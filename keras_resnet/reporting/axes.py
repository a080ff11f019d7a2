"""Curves and logarithmic axes of pictures."""

from typing import TYPE_CHECKING, Any

from keras_resnet.reporting.style import COLORS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v")  # besides colors and kinds of lines
LONG = 1000  # ratio of the ends of a logarithmic scale


def look(number: int) -> dict[str, Any]:
    """Color, kind of line, and marker of a picture's curve of this number, as arguments of matplotlib's `plot`.

    Example:
        >>> from keras_resnet.reporting.axes import look
        >>> look(0)["marker"]
        'o'
    """
    names = {"color": COLORS, "linestyle": LINES, "marker": MARKERS}
    return {name: values[number % len(values)] for name, values in names.items()} | {"markersize": 4}


def make_logarithmic(axes: "Axes") -> None:
    """Gives axes with curves a logarithmic y scale, with ticks written as 0.05.

    They are at the powers of 10, and at 2 and 5 times these if the scale is short.

    Example:
        >>> from keras_resnet.reporting.axes import make_logarithmic
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("loss.png") as drawn:
        ...     axes = drawn.subplots()
        ...     _ = axes.plot([1, 2], [0.4, 0.02])
        ...     make_logarithmic(axes)
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < LONG * low else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
