"""Photos for tests, encoded or written to folders."""

import io
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image


def encode(image: np.ndarray | Image.Image, form: str = "PNG", **options) -> bytes:
    """Encodes an image in one of Pillow's formats."""
    content = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(content, form, **options)
    return content.getvalue()


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture, uint8 (height, width, 3), that JPEG and resizing barely change."""
    rows, columns = np.mgrid[:height, :width] / 20
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 2))
    waves = [127 + 60 * np.sin(rows + a) + 60 * np.cos(columns * 1.3 + b) for a, b in phases]
    return np.stack(waves, -1).astype("uint8")


def write_photos(folder: pathlib.Path, classes: list[str], count: int, suffix: str = ".png") -> pathlib.Path:
    """Writes `count` photos per class, each filled with 20 x (the index of its class)."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            photo = np.full((20 + index, 30, 3), 20 * label, "uint8")
            (folder / name / f"{index}{suffix}").write_bytes(tf.io.encode_png(photo).numpy())
    return folder


def write_scenes(
    folder: pathlib.Path, classes: list[str], count: int, sizes=((50, 70), (64, 48), (40, 90))
) -> pathlib.Path:
    """Writes `count` JPEG photos per class, all different, of several sizes."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            photo = scene(*sizes[index % len(sizes)], seed=100 * label + index)
            (folder / name / f"{index:03d}.jpg").write_bytes(encode(photo, "JPEG", quality=95))
    return folder
