"""The accuracy of networks with blocks removed or reordered, as a picture. Needs matplotlib (the `plots` extra)."""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from keras_resnet.reporting.curves import look
from keras_resnet.reporting.style import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, float]]  # the number of a block, or of blocks, and the error in percent


class Panel(NamedTuple):
    """One of the pictures side by side."""

    title: str
    label: str  # of the horizontal axis


PANELS = {
    "removal": Panel("One block removed", "removed block"),
    "removals": Panel("Several blocks removed at random", "removed blocks (band: all draws)"),
    "swap": Panel("Two neighbors swapped", "first of the two blocks"),
    "shuffle": Panel("Random pairs of blocks swapped", "swapped pairs (band: all draws)"),
}
OF_SINGLE_BLOCKS = ("removal", "swap")
FEW = 60  # blocks that a line connects
DOTS = {"linestyle": "", "markersize": 2}


def plot_lesions(
    errors: Mapping[str, Mapping[str, Points]], intact: Mapping[str, float], guessing: float, path: str | os.PathLike
) -> None:
    """Draws the error of networks with each kind of lesion.

    Random choices are drawn as their mean, with a band from the best to the worst.

    Args:
        errors: by the network's name and the kind of lesion, one of `PANELS`.
        intact: the error of each network without a lesion, percent.
        guessing: the error of random guesses, percent.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.lesions_plots import plot_lesions
        >>> plot_lesions({"net": {"removal": [(1, 20.0), (2, 9.0)]}}, {"net": 8.0}, 90.0, "lesions.png")
    """
    kinds = [kind for kind in PANELS if any(of_network.get(kind) for of_network in errors.values())]
    rows = max(1, -(-len(kinds) // 2))
    with figure(path, (8.0, 0.8 + 3.1 * rows)) as drawn:
        all_axes = drawn.subplots(rows, 2, squeeze=False).ravel()
        for axes, kind in itertools.zip_longest(all_axes, kinds):
            if kind is None:
                axes.axis("off")
                continue
            for number, (name, of_network) in enumerate(errors.items()):
                _draw(axes, kind, of_network.get(kind, ()), intact[name], number, name)
            axes.axhline(guessing, color="gray", linestyle=(0, (1, 3)), label="guessing")
            axes.set(title=PANELS[kind].title, xlabel=PANELS[kind].label, ylabel="error (%)", ylim=(0, 103))
            axes.xaxis.get_major_locator().set_params(integer=True)
        handles, labels = all_axes[max(0, len(kinds) - 1)].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
        drawn.suptitle("Error of trained networks without some blocks, or with blocks in another order")


def _draw(axes: "Axes", kind: str, points: Points, intact: float, number: int, name: str) -> None:
    """Draws the points of one network, and a thin line at the error without a lesion."""
    color = look(number)["color"]
    axes.axhline(intact, color=color, linestyle=look(number)["linestyle"], linewidth=0.8, alpha=0.6)
    if kind in OF_SINGLE_BLOCKS:
        own = look(number) | (DOTS if len(points) > FEW else {})
        axes.plot([place for place, _ in points], [error for _, error in points], label=name, **own)
        return
    by_count: dict[float, list[float]] = {0: [intact]}
    for count, error in points:
        by_count.setdefault(count, []).append(error)
    found = by_count.values()
    axes.fill_between([*by_count], [*map(min, found)], [*map(max, found)], color=color, alpha=0.15, linewidth=0)
    axes.plot([*by_count], [sum(errors) / len(errors) for errors in found], label=name, **look(number))
