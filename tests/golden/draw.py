"""Weights and images drawn from a seed, alike here and in the peers: what logits.json was recorded with.

A tensor depends on its peer's name for it and on its shape alone, so a test can draw a peer's
weights without the peer.
"""

import hashlib
import math
import zlib

import numpy as np

IMAGES = (2, 97, 65, 3)  # odd sizes: each stride of 2 shows a padding on the wrong side


def draw(name: str, shape: tuple) -> np.ndarray:
    """The float32 tensor of that name in the layout of its peer: Keras where a kernel is called `kernel`."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("running_var", "moving_variance")):
        values = random.uniform(0.5, 1.5, shape)
    elif name.endswith(("running_mean", "moving_mean", "bias", "beta")):
        values = random.standard_normal(shape) * 0.1
    elif name.endswith("gamma") or (name.endswith("weight") and len(shape) == 1):
        values = random.uniform(0.3, 0.9, shape)  # below 1: a sum of 140 blocks stays of moderate size
    elif name.endswith(("weight", "kernel")):
        fan_in = math.prod(shape[:-1] if name.endswith("kernel") else shape[1:])
        values = random.standard_normal(shape) * math.sqrt(2 / fan_in)
    else:
        raise ValueError(f"No rule draws a tensor called {name}.")
    return values.astype("float32")


def image(shape: tuple = IMAGES) -> np.ndarray:
    """The float32 images (batch, height, width, channels) in 0 to 255 that every peer was fed."""
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def fingerprint(shapes: dict[str, tuple]) -> str:
    """The SHA-256 of the names and shapes: equal only if exactly the same tensors were drawn."""
    lines = sorted(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
