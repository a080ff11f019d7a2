"""Grad-CAM: where a classifier sees evidence for a class."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.features import last_maps, layer_output
from keras_resnet.analysis.graph import calls, flattened, values_of
from keras_resnet.analysis.receptive_fields import positions_of
from keras_resnet.errors import shown
from keras_resnet.exporting.rewriting import Function, layer_like, rewritten
from keras_resnet.models.model import number_of_classes
from keras_resnet.runtimes.scores import converted

SQUASHING = (keras.activations.softmax, keras.activations.sigmoid)  # from logits to probabilities


class GradCamMaps(NamedTuple):
    """Grad-CAM maps of N images.

    Attributes:
        labels: the class of each map, int64 (N,).
        maps: evidence for the class at each position of the feature maps, in logits, at least 0; float64 (N, h, w).
        upsampled: the same at each pixel, by bilinear interpolation between the centers of the receptive fields,
            float64 (N, height, width).
    """

    labels: np.ndarray
    maps: np.ndarray
    upsampled: np.ndarray


class GradCam:
    """Grad-CAM of a classifier: a function of images.

    The map of a class is the weighted sum of the last feature maps, where it is positive. The weight of a channel is
    the gradient of the class's logit with respect to the channel, averaged over all positions.
    Source: Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, section 3.

    In a network that ends in global average pooling and a dense layer, the map is the class activation map of Zhou et
    al. 2016 divided by the number of positions: what each position adds to the logit.

    Args:
        model: a functional classifier, also with models inside it; it ends in logits, a softmax, or a sigmoid.
        layer: name of the layer whose outputs are the feature maps; default: the one before the global pooling.

    Raises:
        ValueError: the model is not a functional classifier, has no feature maps, or has no such layer.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.grad_cam import GradCam
        >>> look = GradCam(keras_resnet.ResNet20Cifar())
        >>> found = look(np.zeros((1, 32, 32, 3)), labels=[3])
        >>> found.maps.shape, found.upsampled.shape
        ((1, 8, 8), (1, 32, 32))
    """

    def __init__(self, model: keras.Model, layer: str | None = None) -> None:
        flat = flattened(model)
        self._classes = number_of_classes(flat)
        to_logits = with_logits(flat)
        maps = layer_output(to_logits, layer) if layer else last_maps(to_logits)
        self._dtype = to_logits.inputs[0].dtype
        self._positions = functools.partial(positions_of, to_logits, maps)
        self._values = values_of(to_logits, [maps, *to_logits.outputs])
        # The tape records a frozen model, too, if all its weights are watched.
        self._watched = [weight.value for weight in to_logits.weights if "float" in weight.dtype]

    def __call__(self, images: np.ndarray, labels: Sequence[int] | None = None) -> GradCamMaps:
        """The maps of images.

        Args:
            images: (N, height, width, channels), in 0 to 255.
            labels: class numbers (N,); default: the predicted ones.

        Raises:
            ValueError: there is no such class.
        """
        images = np.asarray(images)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._watched)
            maps, logits = self._values(converted(images, self._dtype))
            chosen = self._labels(labels, logits)
            score = tf.reduce_sum(tf.gather(logits, chosen, axis=1, batch_dims=1))
        gradients = np.asarray(tape.gradient(score, maps), "float64")
        weights = gradients.mean((1, 2), keepdims=True)
        evidence = np.maximum((weights * np.asarray(maps, "float64")).sum(-1), 0)
        size = images.shape[1:3]
        return GradCamMaps(chosen, evidence, self._positions(size).upsampled(evidence, size))

    def _labels(self, labels: Sequence[int] | None, logits: tf.Tensor) -> np.ndarray:
        chosen = np.asarray(np.argmax(logits, axis=1) if labels is None else labels, "int64")
        if chosen.shape != (len(logits),) or chosen.min() < 0 or chosen.max() >= self._classes:
            raise ValueError(
                f"labels={shown(labels)} must be a class number below {self._classes} for each of the "
                f"{len(logits)} images."
            )
        return chosen


def with_logits(model: keras.Model) -> keras.Model:
    """The model without a softmax or sigmoid at its end; it shares the other layers.

    Args:
        model: without models inside it.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.grad_cam import with_logits
        >>> images = np.zeros((1, 32, 32, 3), "float32")
        >>> logits = keras_resnet.ResNet20Cifar(classifier_activation=None)
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model.set_weights(logits.get_weights())
        >>> np.array_equal(with_logits(model)(images), logits(images))
        True
    """
    last = calls(model)[-1].operation
    return rewritten(model, lambda operation, _: _linear(operation) if operation is last else operation)


def _linear(operation: keras.Operation) -> Function:
    """The last operation of a classifier without its softmax or sigmoid."""
    if type(operation).__name__ in ("Softmax", "Sigmoid"):  # also keras.ops.softmax(x), which is not a layer
        return _unchanged
    if getattr(operation, "activation", None) not in SQUASHING:
        return operation
    if isinstance(operation, keras.layers.Activation):
        return _unchanged
    weights = [keras.ops.convert_to_numpy(weight) for weight in operation.weights]
    return layer_like(operation, type(operation), {**operation.get_config(), "activation": "linear"}, weights)


def _unchanged(x: keras.KerasTensor, **_) -> keras.KerasTensor:
    return x
