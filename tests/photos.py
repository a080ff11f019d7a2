"""Photos for tests: encoded, and laid out in folders."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def encode(image, form="PNG", **options) -> bytes:
    """An image, an array or Pillow's, in a format of Pillow's."""
    content = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(content, form, **options)
    return content.getvalue()


def scene(height, width, seed=0) -> np.ndarray:
    """A smooth picture, uint8 (height, width, 3), which JPEG and resizing change little."""
    rows, columns = np.mgrid[:height, :width] / 20
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 2))
    waves = [127 + 60 * np.sin(rows + a) + 60 * np.cos(columns * 1.3 + b) for a, b in phases]
    return np.stack(waves, -1).astype("uint8")


def write_photos(folder, classes, count, suffix=".png"):
    """`count` photos a class, each filled with 20 x (its class's place)."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            photo = np.full((20 + index, 30, 3), 20 * place, "uint8")
            (folder / name / f"{index}{suffix}").write_bytes(tf.io.encode_png(photo).numpy())
    return folder


def write_scenes(folder, classes, count, sizes=((50, 70), (64, 48), (40, 90))):
    """`count` JPEG photos a class, all different, of several sizes."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            photo = scene(*sizes[index % len(sizes)], seed=100 * place + index)
            (folder / name / f"{index:03d}.jpg").write_bytes(encode(photo, "JPEG", quality=95))
    return folder
