"""What every format exports: the folded model, from images to probabilities."""

import keras
import numpy as np
from keras import layers

from keras_resnet.exporting.fold import fold_batchnorm
from keras_resnet.layers import channel_axis
from keras_resnet.models.model import number_of_classes, to_probabilities
from keras_resnet.preprocessing import image_sides
from keras_resnet.runtimes.outputs import INPUT, PROBABILITIES

PROBE = (2, 64)  # images, and their sides if the model takes any


def exported_model(model: keras.Model) -> keras.Model:
    """The folded model of a classifier, with probabilities as its output.

    Args:
        model: from one batch of images in 0 to 255 to scores (batch, classes).

    Returns:
        A model of stock Keras layers, float32, from images (batch, height, width, channels), whatever Keras's image
        data format, to probabilities (batch, classes): logits get a softmax, by the same rule as in `predict`.

    Raises:
        ValueError: the model is not functional, or not a classifier of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.exporting.exported import exported_model
        >>> net = keras_resnet.ResNet20Cifar(classifier_activation=None)
        >>> exported_model(net).layers[-1].name
        'probabilities'
    """
    number_of_classes(model)
    shape = (*image_sides(model), model.input_shape[channel_axis()])
    images = keras.Input(shape, name=INPUT)
    x = images if channel_axis() == -1 else layers.Permute((3, 1, 2))(images)
    scores = model(x)
    if not gives_probabilities(model):
        scores = layers.Softmax(name=PROBABILITIES)(scores)
    return fold_batchnorm(keras.Model(images, scores, name=model.name))


def gives_probabilities(model: keras.Model) -> bool:
    """Whether `predict` takes the outputs of a model as probabilities, not as logits."""
    count, side = PROBE
    shape = (count, *(size or side for size in model.input_shape[1:]))
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    scores = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)), "float64")
    return to_probabilities(model, scores) is scores
