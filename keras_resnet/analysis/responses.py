"""Layer responses: the standard deviation of each 3x3 layer's output (He et al. 2015, figure 7)."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.graph import Call, calls, convolutions, flattened
from keras_resnet.analysis.normalization import NORMALIZATIONS
from keras_resnet.analysis.stateless import State, Stateless, compiled

BATCH = 64  # images at a time


class Response(NamedTuple):
    """The response of a layer.

    Attributes:
        layer: name of the 3x3 convolution.
        measured: name of the layer whose output is measured: the normalization that follows the convolution, or the
            convolution itself.
        standard_deviation: of all values of the output: of all images, positions and channels.
    """

    layer: str
    measured: str
    standard_deviation: float


class ResponseMeter:
    """Measures the responses of a model's layers, batch by batch.

    A response is the output of a 3x3 convolution after the normalization that follows it, before the nonlinearity or
    the addition. In a v2 network, no normalization follows the last convolution of a block; there it is the output of
    the convolution, as it is added. Source: He et al. 2015, https://arxiv.org/abs/1512.03385, section 4.2 and figure 7.

    Args:
        model: any functional model. It remains as it is.
        training: False: normalize with the moving statistics. True: with the statistics of each batch, as in training;
            for a new network, whose moving statistics are those of no image.

    Raises:
        ValueError: the model is not functional, or has no 3x3 convolution.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.responses import ResponseMeter
        >>> meter = ResponseMeter(keras_resnet.ResNet20Cifar())
        >>> meter.add(np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)))
        >>> len(meter.responses()), meter.responses()[0].measured
        (19, 'stem_bn')
    """

    def __init__(self, model: keras.Model, training: bool = False) -> None:
        model = flattened(model)
        order = calls(model)
        self._layers = [call for call in convolutions(model) if tuple(call.operation.kernel_size) == (3, 3)]
        if not self._layers:
            raise ValueError(f"{model.name} has no 3x3 convolution.")
        self._measured = [_normalized(call, order) for call in self._layers]
        self._network = Stateless(model, [call.outputs[0] for call in self._measured])
        self._training = training
        self._compute = compiled(self._sums)
        self._totals = np.zeros((len(self._layers), 3))

    def add(self, images: np.ndarray) -> None:
        """Takes in more images, (N, height, width, channels)."""
        self._totals += self._compute(np.asarray(images), self._network.state()).numpy()

    def responses(self) -> list[Response]:
        """The response of each 3x3 layer to the images so far, in the order of the network."""
        count, total, squares = self._totals.T
        deviations = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
        return [
            Response(layer.operation.name, measured.operation.name, float(deviation))
            for layer, measured, deviation in zip(self._layers, self._measured, deviations, strict=True)
        ]

    def _sums(self, images: tf.Tensor, state: State) -> tf.Tensor:
        """For each layer the number, the sum, and the sum of the squares of its values."""
        values = [tf.cast(value, tf.float64) for value in self._network(images, state, self._training)]
        return tf.convert_to_tensor(
            [[tf.cast(tf.size(value), tf.float64), tf.reduce_sum(value), tf.reduce_sum(value**2)] for value in values]
        )


def layer_responses(model: keras.Model, images: np.ndarray, training: bool = False) -> list[Response]:
    """The response of each 3x3 layer, in the order of the network (see `ResponseMeter`).

    Args:
        model: as for `ResponseMeter`.
        images: (N, height, width, channels), as the model takes them.
        training: likewise.

    Raises:
        ValueError: as `ResponseMeter`.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.responses import layer_responses
        >>> images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3))
        >>> layer_responses(keras_resnet.ResNet20Cifar(), images)[0].layer
        'stem_conv'
    """
    meter = ResponseMeter(model, training)
    for first in range(0, len(images), BATCH):
        meter.add(images[first : first + BATCH])
    return meter.responses()


def _normalized(convolution: Call, order: list[Call]) -> Call:
    """The normalization that alone reads a convolution's output, or else the convolution."""
    [output] = convolution.outputs
    readers = [call for call in order if any(tensor is output for tensor in call.inputs)]
    alone = len(readers) == 1 and isinstance(readers[0].operation, NORMALIZATIONS)
    return readers[0] if alone else convolution
