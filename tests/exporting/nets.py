"""Small networks with random weights, and what they compute in float64."""

import keras
import numpy as np

from keras_resnet import VARIANTS, create_model

TOLERANCE = 1e-4  # of the largest logit
SMALL = dict(classes=7, classifier_activation=None)
RANGES = {"gamma": (0.1, 0.6), "moving_variance": (0.5, 1.5)}  # gammas so small that gates do not saturate


def reduced(name):
    """Options that make a variant shallow and narrow, with few groups."""
    row = VARIANTS[name]
    stages = len(row["depths"])
    narrow = dict(widths=(16, 32, 64)) if stages == 3 else dict(stem_width=64, widths=(32, 32, 64, 64))
    if row.get("groups", 1) > 1:
        narrow |= dict(groups=32, base_width=4)
    return {**row, "depths": (2, *(1,) * (stages - 1)), "input_shape": (32, 32, 3), **narrow}


def families():
    """The name of one variant for each network that the rows of VARIANTS become when they are shallow and narrow."""
    names = {}
    for name in VARIANTS:
        names.setdefault(repr(sorted(reduced(name).items())), name)
    return list(names.values())


def small_net(name, **options):
    """The shallow and narrow network of a variant, with random weights that are the same each time."""
    keras.utils.set_random_seed(0)
    return randomized(create_model(name, **{**SMALL, **reduced(name), **SMALL, **options}))


def randomized(model, **ranges):
    """Draws every vector of a model, so that no normalization is the identity."""
    random = np.random.default_rng(1)
    for variable in model.variables:
        if len(variable.shape) == 1 and variable.name != "seed_generator_state":
            low, high = {**RANGES, **ranges}.get(variable.name, (-0.2, 0.2))
            variable.assign(random.uniform(low, high, variable.shape))
    return model


def photos(count=3, size=32, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels)).astype("float32")


def in_float64(model, images):
    """The outputs of a model whose layers, with their weights, all compute in float64."""
    twin = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    )
    twin.set_weights(model.get_weights())
    return keras.ops.convert_to_numpy(twin(images.astype("float64"), training=False))


def relative(found, expected):
    """The largest difference, as a part of the largest value."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    return np.abs(found - expected).max() / np.abs(expected).max()
