"""Small networks of all kinds, with weights at random, for 8x8 images of four classes."""

import keras
import numpy as np

import keras_resnet
from keras_resnet.analysis.samples import Sample

KINDS = {
    "basic": {},
    "bottleneck": dict(block="bottleneck"),
    "v2": dict(block="bottleneck", preactivation=True),
    "SE": dict(attention="se"),
    "A": dict(shortcut="A"),
    "C": dict(shortcut="C"),
    "D": dict(shortcut="D", block="bottleneck"),
    "NeXt": dict(block="bottleneck", groups=2, base_width=32),
    "drop path": dict(drop_path=0.5),
    "plain": dict(residual=False),
}


def network(kind, depths=(2, 3), **options):
    """A network of one of the `KINDS` that outputs logits."""
    keras.utils.set_random_seed(0)
    settings = {"block": "basic", "classes": 4, "classifier_activation": None, **KINDS[kind], **options}
    model = keras_resnet.ResNet(
        settings.pop("block"), depths, widths=(8, 16), stem="cifar", input_shape=(8, 8, 3), **settings
    )
    return randomized(model)


def applications_resnet50():
    keras.utils.set_random_seed(0)
    return randomized(keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=4))


def check_near(found, expected, tolerance=1e-6):
    """Checks that outputs are equal up to a fraction of the largest, which is not small."""
    found, expected = np.asarray(found), np.asarray(expected)
    largest = np.abs(expected).max()
    assert largest > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * largest)


def check_differ(found, expected):
    """Checks that outputs are not equal, by far."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.abs(found - expected).max() > 1e-3 * np.abs(expected).max()


def randomized(model, seed=0):
    """The model with normalizations that do something: random gamma and beta, mean and variance."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            zero = not np.any(layer.gamma)
            layer.moving_mean.assign(random.normal(0, 0 if zero else 0.1, layer.gamma.shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
            if not zero:
                layer.gamma.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
                layer.beta.assign(random.normal(0, 0.1, layer.gamma.shape))
    return model


def noise(count=6, size=8, classes=4):
    """Images of noise with labels."""
    random = np.random.default_rng(1)
    return Sample(random.integers(0, 256, (count, size, size, 3)).astype("float32"), np.arange(count) % classes)


def copy_weights(source, target, names):
    """Sets the weights of a network to those of the layers of the same names in another one, or of other `names`."""
    for layer in target.layers:
        name = next((layer.name.replace(new, old, 1) for new, old in names.items() if new in layer.name), None)
        layer.set_weights(source.get_layer(name or layer.name).get_weights())
