"""Draws the filters of the first convolution, and the strongest feature maps of layers for an image."""

import functools
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from keras_resnet.commands.analyze import photos, subject
from keras_resnet.commands.flags import FLAGS, group

if TYPE_CHECKING:
    from keras_resnet.analysis.features import FeatureMaps, Filters
    from keras_resnet.runtimes import Artifact

MOST_CHANNELS = 128  # of a layer in a picture

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_output_flag()
    with group("run"):
        flags.DEFINE_list("layer", None, "Layers, separated by commas [the ends of the stem and of each stage].")
        text = "Number of channels of each layer in the picture, the strongest ones."
        flags.DEFINE_integer("channels", 16, text, lower_bound=1, upper_bound=MOST_CHANNELS)


def main(argv: list[str]) -> None:
    """Writes the filters and the feature maps, and says how many values are active."""
    from keras_resnet.analysis.features import feature_maps, first_filters

    artifact = photos.open_classifier(argv[1])
    model = photos.keras_model(artifact)
    if model is None:
        raise ValueError(f"{argv[1]} runs in {artifact.runtime}; feature maps need a Keras model.")
    image = _image(artifact, argv[2])
    filters, found = first_filters(model), feature_maps(model, image, FLAGS.layer)
    folder = subject.output_folder(argv[1])
    subject.write_table(folder / "features.csv", [row for layer in found for row in _table(layer)])
    _draw_filters(folder, filters)
    _draw_features(folder, image, found)
    for sentence in _verdict(filters, found):
        print(sentence)


def _image(artifact: "Artifact", path: str) -> np.ndarray:
    """The image as the model sees it."""
    from keras_resnet.runtimes.image_sources import image_sources
    from keras_resnet.runtimes.prediction import Classifier

    source, *others = image_sources(path)
    if others:
        raise ValueError(f"{path} has {1 + len(others)} images; name one.")
    return Classifier(artifact).pixels(source)


def _table(layer: "FeatureMaps") -> Iterator[dict[str, Any]]:
    """A row for each channel, the strongest first."""
    for rank, channel in enumerate(layer.strongest(len(layer.strengths)), 1):
        values = layer.maps[..., channel]
        yield {
            "layer": layer.layer,
            "rank": rank,
            "channel": channel,
            "mean_absolute": layer.strengths[channel],
            "maximum": values.max(),
            "active": (values > 0).mean(),
        }


def _draw_filters(folder, filters: "Filters") -> None:
    from keras_resnet.reporting.feature_plots import DRAWABLE, plot_filters

    channels = filters.kernels.shape[-1]
    if channels in DRAWABLE:
        draw = functools.partial(plot_filters, filters.kernels, filters.layer)
        subject.write_picture(folder / "filters.png", draw)
    else:
        logger.info("Left out filters.png: %s takes %d channels, which are no colors.", filters.layer, channels)


def _draw_features(folder, image: np.ndarray, found: Sequence["FeatureMaps"]) -> None:
    from keras_resnet.reporting.feature_plots import LayerMaps, plot_features

    rows = []
    for layer in found:
        height, width, channels = layer.maps.shape
        strongest = layer.strongest(FLAGS.channels)
        shown = f"the {len(strongest)} strongest of" if len(strongest) < channels else "all"
        title = f"{layer.layer}: {shown} {channels} channels, {height} x {width} positions"
        rows.append(LayerMaps(title, np.moveaxis(layer.maps[..., strongest], -1, 0)))
    subject.write_picture(folder / "features.png", functools.partial(plot_features, image, rows))


def _verdict(filters: "Filters", found: Sequence["FeatureMaps"]) -> list[str]:
    count, height, width, channels = filters.kernels.shape
    shares = ", ".join(f"{layer.active:.0%} in {layer.layer}" for layer in found)
    sentences = [
        f"{filters.layer} has {count} filters of {height} x {width} weights on {channels} channels.",
        f"Values above zero: {shares}.",
    ]
    if len(found) > 1:
        sparser = found[-1].active < found[0].active
        sentences.append(f"The features of this image {'are' if sparser else 'are not'} sparser at the end.")
    return sentences
