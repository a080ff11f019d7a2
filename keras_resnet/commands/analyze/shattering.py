"""Measures how gradients of nearby inputs and weights lose correlation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS
from keras_resnet.progress import bar_shown
from keras_resnet.reporting.shattering_plots import plot_shattering

if TYPE_CHECKING:
    import keras

    from keras_resnet.analysis.samples import Sample
    from keras_resnet.analysis.shattering import Rounding

IMAGES = 128
POINTS = 256  # on a line, as in the source
LINES = 4  # between pairs of images, over which correlations are averaged
DIMENSIONS = 1000  # of the noises


class Measured(NamedTuple):
    """What was measured on a model: the derivative along the first line, the mean correlation, and the rounding."""

    derivative: np.ndarray
    correlation: np.ndarray
    rounding: "Rounding"


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES, split="train")
    subject.define_output_flag()


def main(argv: list[str]) -> None:
    """Measures each model, writes tables and a picture, and prints a verdict."""
    from keras_resnet.analysis.shattering import brown_noise, correlation_by_distance, white_noise

    models = subject.labeled(argv[1:])
    folder = subject.output_folder(next(iter(models.values())))
    measured = _measured(models)
    noises = {"white noise": white_noise, "brown noise": brown_noise}
    correlations = {name: of_model.correlation for name, of_model in measured.items()}
    correlations |= {name: correlation_by_distance(noise(POINTS, DIMENSIONS)) for name, noise in noises.items()}
    subject.write_table(folder / "shattering.csv", _correlation_rows(correlations))
    subject.write_table(folder / "shattering_weights.csv", _weight_rows(measured))
    subject.write_table(folder / "shattering_blocks.csv", _block_rows(measured))
    subject.write_picture(
        folder / "shattering.png",
        lambda path: plot_shattering(
            {name: of_model.derivative for name, of_model in measured.items()},
            {name: noise(POINTS)[:, 0] for name, noise in noises.items()},
            correlations,
            {name: of_model.rounding.cosines[of_model.rounding.is_kernel] for name, of_model in measured.items()},
            {name: of_model.rounding.changes for name, of_model in measured.items()},
            path,
        ),
    )
    for name, of_model in measured.items():
        print(_verdict(name, of_model))
    near = " and ".join(f"{correlations[name][1]:.2f} for {name}" for name in noises)
    print(
        "Balduzzi et al. 2017: with depth, gradients of plain networks become like white noise, those of residual "
        f"networks stay between white and brown noise. The correlation is {near}."
    )


def _measured(models: Mapping[str, str]) -> dict[str, Measured]:
    import keras

    from keras_resnet.analysis.samples import sample

    data = subject.data_from_flags(next(iter(models.values())))
    chosen = sample(data, subject.split_from_flags(data), max(FLAGS.images, 2))
    bar = keras.utils.Progbar(len(models) * (LINES + 1), verbose=bar_shown("auto"), unit_name="measurement")
    return {name: _measure(subject.model_for(path, data), data, chosen, bar) for name, path in models.items()}


def _measure(model: "keras.Model", data: Any, chosen: "Sample", bar: "keras.utils.Progbar") -> Measured:
    from keras_resnet.analysis.shattering import LineProbe, rounding
    from keras_resnet.evaluation.class_matching import match_classes

    images, labels = chosen.images, match_classes(model, data)[chosen.labels]
    probe, lines = LineProbe(model, images), []
    for line in range(LINES):
        start, end = (2 * line) % len(images), (2 * line + 1) % len(images)
        lines.append(probe(images[start], images[end], int(labels[start]), POINTS))
        bar.add(1)
    of_weights = rounding(model, images, labels)
    bar.add(1)
    return Measured(lines[0].derivative, np.mean([line.correlation for line in lines], axis=0), of_weights)


def _correlation_rows(correlations: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"model": name, "distance": step / (POINTS - 1), "correlation": correlation}
        for name, values in correlations.items()
        for step, correlation in enumerate(values)
    ]


def _weight_rows(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    return [
        {"model": name, "weight": weight, "cosine": cosine}
        for name, of_model in measured.items()
        for weight, cosine in zip(of_model.rounding.weights, of_model.rounding.cosines, strict=True)
    ]


def _block_rows(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    return [
        {"model": name, "block": block, "relative_change": change}
        for name, of_model in measured.items()
        for block, change in zip(of_model.rounding.blocks, of_model.rounding.changes, strict=True)
    ]


def _verdict(name: str, measured: Measured) -> str:
    rounding = measured.rounding
    return (
        f"{name}: gradients at neighboring ones of {POINTS} points between two images have correlation "
        f"{measured.correlation[1]:.2f}; rounding all weights to bfloat16 changes the last block's output by "
        f"{rounding.changes[-1]:.1%} and leaves the gradients of the kernels a median cosine of {rounding.median:.2f}."
    )
