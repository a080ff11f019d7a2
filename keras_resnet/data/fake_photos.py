"""Generated photos in ImageNet's layout, to measure speed without real ones."""

import os
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np
from PIL import Image

SIZE = (500, 375)  # width and height of most of ImageNet's photos
QUALITY = 93  # for files of about 105 kB, as in ImageNet
CLASSES, TRAINING, VALIDATION = 8, 128, 16  # classes, and the photos of each class


def write(folder: str | os.PathLike) -> pathlib.Path:
    """Writes `folder`/{train,val}/<class>/*.jpg, always the same photos, unless the folder exists.

    Each class has its own color, so a model can learn to classify them.

    Example:
        >>> import keras_resnet.data.fake_photos
        >>> keras_resnet.data.fake_photos.write("fake")  # doctest: +SKIP
        PosixPath('fake')
    """
    folder = pathlib.Path(folder)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for split, count in (("train", TRAINING), ("val", VALIDATION)):
            for label in range(CLASSES):
                place = pathlib.Path(scratch, "photos", split, f"class{label}")
                place.mkdir(parents=True)
                for index in range(count):
                    _draw(label, random).save(place / f"{index:04d}.jpg", quality=QUALITY)
        try:
            pathlib.Path(scratch, "photos").rename(folder)
        except OSError:
            if not folder.exists():  # else another process has written it meanwhile
                raise
    return folder


def photos(count: int) -> Iterator[Image.Image]:
    """Draws photos, always the same ones, of one class after the other.

    Example:
        >>> from keras_resnet.data import fake_photos
        >>> [photo.size for photo in fake_photos.photos(2)]
        [(500, 375), (500, 375)]
    """
    random = np.random.default_rng(0)
    return (_draw(index % CLASSES, random) for index in range(count))


def _draw(label, random):
    """Blurred blobs and fine noise around the color of the class: about as hard to compress as a photo."""
    width, height = SIZE
    color = np.array([60 + 130 * (label >> bit & 1) for bit in range(3)])
    blobs = Image.fromarray(np.uint8(np.clip(random.normal(color, 60, (12, 16, 3)), 0, 255)))
    smooth = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC), "float32")
    noise = random.normal(0, 12, (height, width, 1)).astype("float32")
    return Image.fromarray(np.uint8(np.clip(smooth + noise, 0, 255)))
