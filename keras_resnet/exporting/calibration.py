"""Images to calibrate a quantized model with: they show the ranges of its activations."""

import glob
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.drawing import evenly_drawn
from keras_resnet.data.examples import Examples
from keras_resnet.data.loading import Data, load_data
from keras_resnet.data.records import is_record_set
from keras_resnet.rules import POSITIVE_INTEGER, check
from keras_resnet.run_directory import Run
from keras_resnet.runtimes import views
from keras_resnet.runtimes.image_sources import ImageSource, image_sources
from keras_resnet.runtimes.metadata import Metadata
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View

COUNT = 500  # images; with 50, a ResNet-20 was right on 17 fewer of CIFAR-10's test images
LEAST = 10
BATCH_SIZE = 64

logger = logging.getLogger(__name__)


def calibration_images(source: Any, metadata: Metadata, count: int = COUNT, seed: int = 0) -> np.ndarray:
    """Images to calibrate an int8 model with, resized and cropped as the model is tested.

    They are drawn at random, and evenly from all classes (of a folder of photos: from all its subfolders).

    Args:
        source: a run directory, for its training images, which must be where they were; `Data` from `load_data`, for
            its training images; a record set; or images as in `predict`: a folder of photos, paths, a pattern, arrays
            (N, H, W, C) in 0 to 255, or PIL images. Unreadable images are left out with a warning in the log.
        metadata: of the model, whose view and image shape are used.
        count: number of images, or all if there are fewer.
        seed: of the draw.

    Returns:
        Images (N, height, width, channels), float32 in 0 to 255.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: `source` is None, has fewer than 10 images, or is a run that does not record where its images are;
            or the images have several sizes, and the model has no view.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.exporting.calibration import calibration_images
        >>> from keras_resnet.runtimes import Metadata
        >>> metadata = Metadata("net", "onnx", "int8", (32, 32, 3), ("cat", "dog"))
        >>> calibration_images(np.zeros((20, 32, 48, 3), "uint8"), metadata, count=16).shape
        (16, 32, 32, 3)
    """
    check("count", count, POSITIVE_INTEGER)
    source = required(source)
    examples = _examples(source)
    view = metadata.default_view
    if examples is None:
        images = _of_sources(list(image_sources(source)), view, metadata.image_shape[-1], count, seed)
    else:
        images = _of_examples(examples, view, count, seed)
    if len(images) < LEAST:
        raise ValueError(f"Calibration needs at least {LEAST} images, better {COUNT}, but there are {len(images)}.")
    if len({image.shape for image in images}) > 1:
        raise ValueError(
            f"{metadata.name} takes images of any size and has no view to resize them to; calibrate it with an array "
            "of images of one size, or set its view."
        )
    return np.stack(images).astype("float32")


def required(calibration: Any) -> Any:
    """The calibration images, or their source.

    Raises:
        ValueError: it is None.
    """
    if calibration is None:
        raise ValueError(
            "int8 needs images for calibration: pass calibration=..., a folder of photos, a run directory, or arrays."
        )
    return calibration


def _examples(source: Any) -> Examples | None:
    """The training examples of data, a run or a record set; None for images without these."""
    if isinstance(source, Data):
        return source.train
    if not isinstance(source, str | os.PathLike):
        return None
    run = Run(source)
    if not (run.directory.exists() or glob.has_magic(str(run.directory))):
        raise FileNotFoundError(f"{run.directory} does not exist; calibrate with photos, a run directory, or arrays.")
    if run.file("recipe.json").is_file():
        return run.data().train
    return load_data(run.directory).train if is_record_set(run.directory) else None


def _of_examples(examples: Examples, view: View | None, count: int, seed: int) -> list[np.ndarray]:
    chosen = examples.take(evenly_drawn(examples.labels, count, seed))
    seen = (lambda image: center_view(image, view)[0]) if view else (lambda image: image)
    batch_size = BATCH_SIZE if view else 1  # without a view, sizes may differ
    return [image for images, _, _ in evaluation_batches(chosen, batch_size, seen) for image in images.numpy()]


def _of_sources(
    sources: Sequence[ImageSource], view: View | None, channels: int, count: int, seed: int
) -> list[np.ndarray]:
    folders = [str(pathlib.Path(source.path).parent) if source.path else "" for source in sources]
    images = []
    for index in evenly_drawn(folders, count, seed):
        try:
            image = sources[index].load(channels)
        except ValueError as error:
            logger.warning("Skipped: %s", error)
            continue
        images.append(views.center_view(image, view) if view else image)
    return images
