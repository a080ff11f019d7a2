"""The style of all pictures. Needs matplotlib (the `plots` extra)."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colors that color-blind readers can tell apart (Okabe & Ito 2008, https://jfly.uni-koeln.de/color/), without yellow.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")  # so that curves differ in black and white, too
SIZE = (8.0, 4.5)  # of a picture in inches
DPI = 100  # 800 pixels wide
SETTINGS = {
    "font.size": 11.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "text.parse_math": False,  # names of classes and files may have dollar signs
}


@contextlib.contextmanager
def figure(path: str | os.PathLike, size: tuple[float, float] = SIZE) -> Iterator["Figure"]:
    """A matplotlib figure in the style of this package, which is written to `path` at the end of the context.

    Args:
        path: the file to write: PNG, SVG or PDF.
        size: (width, height), inches of 100 pixels.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.style import figure
        >>> with figure("line.png") as drawn:
        ...     axes = drawn.subplots()
        ...     _ = axes.plot([1, 2], [3, 4])
    """
    from matplotlib import rc_context, rcsetup
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {**SETTINGS, "axes.prop_cycle": rcsetup.cycler("color", COLORS)}
    with rc_context(settings):
        drawn = Figure(figsize=size, layout="constrained")
        yield drawn
        drawn.savefig(path, dpi=DPI)
