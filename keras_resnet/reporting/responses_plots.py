"""The layer responses of networks, as figure 7 of the paper draws them. Needs matplotlib (the `plots` extra)."""

import os
from collections.abc import Mapping, Sequence

from keras_resnet.reporting.curves import add_legend, draw_curves, whole_numbers
from keras_resnet.reporting.style import figure


def plot_responses(responses: Mapping[str, Sequence[float]], path: str | os.PathLike) -> None:
    """Draws the standard deviations of layer responses: in the order of the layers, and sorted.

    Args:
        responses: standard deviations by the name of a model, in the order of its layers.
        path: the file to write: PNG, SVG or PDF.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> from keras_resnet.reporting.responses_plots import plot_responses
        >>> plot_responses({"resnet": [1.0, 0.5], "plain": [1.0, 1.5]}, "responses.png")
    """
    ranked = {name: sorted(values, reverse=True) for name, values in responses.items()}
    with figure(path, (8.0, 7.0)) as drawn:
        panels = drawn.subplots(2, 1)
        for axes, curves, title, place in (
            (panels[0], responses, "Responses of the 3x3 layers, in their order", "layer (1 = next to the image)"),
            (panels[1], ranked, "The same, sorted by magnitude", "rank (1 = largest response)"),
        ):
            draw_curves(axes, curves)
            axes.set(title=title, xlabel=place, ylabel="standard deviation")
            axes.set_ylim(bottom=0)
            whole_numbers(axes)
        add_legend(drawn, panels[0])
