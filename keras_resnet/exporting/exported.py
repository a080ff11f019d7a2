"""What every format exports: the model from images to probabilities, and what is said about it."""

import keras
import numpy as np
from keras import layers

from keras_resnet.exporting.fold import fold_batchnorm
from keras_resnet.layers import channel_axis
from keras_resnet.models.model import checked_class_names, number_of_classes, to_probabilities
from keras_resnet.preprocessing import image_sides
from keras_resnet.run_directory import SavedModel, environment
from keras_resnet.runtimes.metadata import Metadata
from keras_resnet.view import View

IMAGES = "images"  # the name of the input
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
    images = keras.Input(image_shape(model), name=IMAGES)
    x = images if channel_axis() == -1 else layers.Permute((3, 1, 2))(images)
    scores = model(x)
    if not gives_probabilities(model):
        scores = layers.Softmax(name="probabilities")(scores)
    return fold_batchnorm(keras.Model(images, scores, name=model.name))


def image_shape(model: keras.Model) -> tuple[int | None, int | None, int]:
    """(height, width, channels) of the images that a model takes; None for a variable side.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.exporting.exported import image_shape
        >>> image_shape(keras_resnet.ResNet20Cifar())
        (32, 32, 3)
    """
    return (*image_sides(model), model.input_shape[channel_axis()])


def gives_probabilities(model: keras.Model) -> bool:
    """Whether `predict` takes the outputs of a model as probabilities, not as logits."""
    count, side = PROBE
    shape = (count, *(size or side for size in model.input_shape[1:]))
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    scores = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)), "float64")
    return to_probabilities(model, scores) is scores


def described(loaded: SavedModel, source: str | None, accuracy: dict, form: str, precision: str) -> Metadata:
    """The metadata of a model that is to be exported.

    Args:
        loaded: the model, with what the files beside it say.
        source: the run or file that it comes from, or None.
        accuracy: what was measured of it, or {}.
        form: the name of the format.
        precision: of the artifact.

    Raises:
        ValueError: the model is not a classifier of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.exporting.exported import described
        >>> from keras_resnet.run_directory import SavedModel
        >>> described(SavedModel(keras_resnet.ResNet20Cifar()), None, {}, "onnx", "float32").view.size
        (32, 32)
    """
    model, shape = loaded.model, image_shape(loaded.model)
    classes = number_of_classes(model)
    known = (loaded.class_names, getattr(model, "class_names", None), map(str, range(classes)))
    names = checked_class_names(next(names for names in known if names is not None), classes)
    height, width, _ = shape
    fixed = View((height, width)) if height and width else None
    view = loaded.view or getattr(model, "view", None) or fixed
    return Metadata(
        name=model.name,
        format=form,
        precision=precision,
        image_shape=shape,
        class_names=names,
        view=view,
        source=source,
        commit=environment()["commit"],
        accuracy=accuracy,
    )
