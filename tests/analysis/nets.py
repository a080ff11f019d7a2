"""Small networks of all kinds in float64, and their losses in NumPy."""

import keras
import numpy as np

import keras_resnet

CLASSES = 3
KINDS = {  # of blocks and shortcuts
    "A": dict(block="basic", shortcut="A"),
    "B": dict(block="basic", shortcut="B"),
    "C": dict(block="basic", shortcut="C"),
    "D": dict(block="basic", shortcut="D"),
    "bottleneck": dict(block="bottleneck"),
    "v2": dict(block="basic", preactivation=True),
    "v2 bottleneck": dict(block="bottleneck", preactivation=True, stride_in="1x1"),
    "SE": dict(block="basic", attention="se", se_ratio=0.5),
    "NeXt": dict(block="bottleneck", groups=2, base_width=32),
    "group norm": dict(block="basic", norm="group_norm", widths=(32, 32)),
    "plain": dict(block="basic", residual=False),
    "plain v2": dict(block="basic", residual=False, preactivation=True),
}


def own_classifier(seed=0, nested=True, **options) -> keras.Model:
    """A user's head around a network of three blocks: the first one keeps its input's shape, the second one halves it.

    Its weights and statistics are random, so that no normalization is the identity. If it is not nested, the network's
    layers are its own.
    """
    keras.utils.set_random_seed(seed)
    options = {"widths": (4, 8), "activation": "relu", **options}
    base = keras_resnet.ResNet(
        depths=(1, 2),
        include_top=False,
        stem="cifar",
        input_tensor=keras.Input((4, 4, 3), dtype=keras.config.dtype_policy().compute_dtype),
        include_preprocessing=False,
        **options,
    )
    head = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)])
    if nested:
        model = keras.Sequential([base, *head.layers])
    else:
        model = keras.Model(base.input, head.layers[1](head.layers[0](base.outputs[0])))
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(random.uniform(-0.2, 0.2, variable.shape))
    return model


def batch(count=2, seed=1):
    """Images and labels for `own_classifier`."""
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 4, 4, 3)).astype("float32"), np.arange(count) % CLASSES


def losses(logits, labels):
    """The cross-entropy of each image, from its logits (..., classes), in NumPy; labels (...), or of the last axes."""
    logits = np.asarray(logits, "float64")
    labels = np.broadcast_to(labels, logits.shape[:-1])
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normalized = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(normalized, labels[..., None], axis=-1)[..., 0]


def differences(function, x, step=1e-5):
    """The gradient of the sum of a function's values at x by central differences.

    Args:
        function: of several x at once, (K, *x.shape); returns values (K, ...).
        x: where to differentiate.
        step: between the two values.
    """
    steps = step * np.eye(x.size).reshape(x.size, *x.shape)
    values = [np.asarray(function(x[None] + sign * steps)).reshape(x.size, -1).sum(axis=1) for sign in (1, -1)]
    return ((values[0] - values[1]) / (2 * step)).reshape(x.shape)
