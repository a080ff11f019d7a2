"""Measures the standard deviation of each 3x3 layer's responses."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS
from keras_resnet.progress import bar_shown
from keras_resnet.reporting.responses_plots import plot_responses

if TYPE_CHECKING:
    import keras

IMAGES = 1000


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES)
    subject.define_output_flag()


def main(argv: list[str]) -> None:
    """Measures each model, writes a table and a picture, and prints a verdict."""
    models = subject.labeled(argv[1:])
    folder = subject.output_folder(next(iter(models.values())))
    rows, residual = _measured(models)
    subject.write_table(folder / "responses.csv", rows)
    responses = {name: [row["standard_deviation"] for row in rows if row["model"] == name] for name in models}

    subject.write_picture(folder / "responses.png", lambda path: plot_responses(responses, path))
    means = {name: float(np.mean(values)) for name, values in responses.items()}
    for name, values in responses.items():
        new = (
            " (random weights, normalized by the statistics of each batch)" if subject.is_variant(models[name]) else ""
        )
        median = np.median(values)
        print(f"{name}{new}: mean response of {len(values)} 3x3 layers {means[name]:.3g}, median {median:.3g}.")
    print(_claim(means, residual))


def _measured(models: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """The rows of responses.csv, and whether each model has shortcuts."""
    import keras

    from keras_resnet.analysis.responses import BATCH, ResponseMeter
    from keras_resnet.analysis.samples import sample

    data = subject.data_from_flags(next(iter(models.values())))
    images, _ = sample(data, subject.split_from_flags(data), FLAGS.images)
    bar = keras.utils.Progbar(len(models) * len(images), verbose=bar_shown("auto"), unit_name="image")
    rows, residual = [], {}
    for name, path in models.items():
        model = subject.model_for(path, data)
        residual[name] = _has_shortcuts(model)
        meter = ResponseMeter(model, training=subject.is_variant(path))
        for first in range(0, len(images), BATCH):
            batch = images[first : first + BATCH]
            meter.add(batch)
            bar.add(len(batch))
        rows += [{"model": name, **response._asdict()} for response in meter.responses()]
    return rows, residual


def _has_shortcuts(model: "keras.Model") -> bool:
    from keras_resnet.analysis.blocks import find_blocks
    from keras_resnet.analysis.graph import flattened

    try:
        return any(block.shortcut is not None for block in find_blocks(flattened(model)))
    except ValueError:  # a network without blocks
        return False


def _claim(means: Mapping[str, float], residual: Mapping[str, bool]) -> str:
    of_residual, of_plain = ([means[name] for name in means if residual[name] == kind] for kind in (True, False))
    claim = "The paper (figure 7): residual networks have generally smaller responses than plain ones."
    if not (of_residual and of_plain):
        return f"{claim} Name networks of both kinds to compare them."
    answer = "yes" if max(of_residual) < min(of_plain) else "no"
    return (
        f"{claim} Here: {answer}, the mean responses are {subject.span(of_residual)} with shortcuts and "
        f"{subject.span(of_plain)} without."
    )
