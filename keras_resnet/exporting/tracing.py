"""A model as a TensorFlow function that every converter reads correctly."""

import keras
import tensorflow as tf

from keras_resnet.exporting.rewriting import Function, configuration, layer_like, rewritten, values
from keras_resnet.runtimes.outputs import INPUT, PROBABILITIES

DATA_FORMATS = {"channels_last": "NHWC", "channels_first": "NCHW"}  # Keras's name, TensorFlow's


def traceable(model: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    """A function of a batch of images that returns the model's outputs, for an open number of images.

    Args:
        model: a folded float32 model with one input and one output.

    Returns:
        A function of `images`, float32 (None, height, width, channels), that returns a dict with `probabilities`.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.exporting.tracing import traceable
        >>> function = traceable(keras_resnet.ResNet20Cifar())
        >>> function.get_concrete_function().structured_outputs["probabilities"].shape
        TensorShape([None, 10])
    """
    network = rewritten(model, _readable)
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=INPUT)
    return tf.function(lambda images: {PROBABILITIES: network(images, training=False)}, input_signature=[signature])


class _GroupedConv2D(keras.layers.Conv2D):
    """A grouped convolution as one operation. Keras wraps it in an XLA function, which ONNX does not have."""

    def convolution_op(self, inputs, kernel):
        return tf.nn.conv2d(
            inputs,
            kernel,
            self.strides,
            self.padding.upper(),
            DATA_FORMATS[self.data_format],
            self.dilation_rate,
        )


def _readable(operation: keras.Operation, name: str) -> Function:
    """The same operation, or for a grouped convolution its twin."""
    if not (isinstance(operation, keras.layers.Conv2D) and operation.groups > 1):
        return operation
    return layer_like(operation, _GroupedConv2D, configuration(operation, name, "float32"), values(operation))
