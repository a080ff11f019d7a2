"""Convolutions: a faster `Conv2D`, and one with standardized weights."""

import keras
from keras import ops

from keras_resnet.layers.registration import Tensor, only_cpus, replaces


@replaces(keras.layers.Conv2D)
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with 1x1 kernels that train faster in bfloat16 on a CPU.

    In that case, the gradient of the kernel is computed as a matrix product, in a half to a fifth of the time of
    TensorFlow's operation for it. Arguments, weights and configuration are those of Keras's layer, as is the
    computation in all other cases and in inference.

    Example:
        >>> import keras, keras_resnet
        >>> tuple(keras_resnet.layers.Conv2D(8, 1, 2)(keras.ops.ones((1, 4, 4, 3))).shape)
        (1, 2, 2, 8)
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if training and self._is_product(inputs):
            return _convolution_of_pixels(inputs, self.kernel, self.strides)
        return super().call(inputs)

    def _is_product(self, inputs: Tensor) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and self.kernel_size == (1, 1)
            and self.groups == 1
            and self.data_format == "channels_last"
            and not self.use_bias
            and self.activation is keras.activations.linear
            and keras.backend.standardize_dtype(inputs.dtype) == "bfloat16"
            and only_cpus()
        )


def _convolution_of_pixels(images: Tensor, kernel: Tensor, strides: tuple[int, int]) -> Tensor:
    """A convolution with a 1x1 kernel, and its gradients, for images and kernel of the same dtype, channels last."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolution(images, kernel):
        def gradients(upstream):
            images_gradient = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                strides=(1, *strides, 1),
                padding="VALID",
            )
            used = tf.nn.avg_pool2d(images, 1, strides, "VALID") if max(strides) > 1 else images
            kernel_gradient = tf.matmul(_pixels(used), _pixels(upstream), transpose_a=True)
            return images_gradient, tf.reshape(kernel_gradient, kernel.shape)

        return tf.nn.conv2d(images, kernel, strides, "VALID"), gradients

    return convolution(images, tf.convert_to_tensor(kernel))


def _pixels(images: Tensor) -> Tensor:
    """Reshapes (batch, H, W, C) to (pixels, C)."""
    return ops.reshape(images, (-1, images.shape[-1]))


@keras.saving.register_keras_serializable(package="keras_resnet")
class StandardizedConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with weight standardization, as in BiT.

    The weights of each filter are shifted and scaled to mean 0 and variance 1 before each use: in float32, whatever the
    mixed-precision policy. Source: Qiao et al. 2019, https://arxiv.org/abs/1903.10520.

    Args:
        epsilon: added to the variance.
        args, kwargs: as of Keras's layer, as are the weights.

    Example:
        >>> import keras, keras_resnet
        >>> layer = keras_resnet.layers.StandardizedConv2D(8, 3, padding="same")
        >>> tuple(layer(keras.ops.ones((1, 4, 4, 3))).shape)
        (1, 4, 4, 8)
    """

    def __init__(self, *args, epsilon: float = 1e-8, **kwargs):
        super().__init__(*args, **kwargs)
        self.epsilon = epsilon

    def add_weight(self, *args, **kwargs) -> keras.Variable:
        return super().add_weight(*args, **{**kwargs, "autocast": False})  # so that they are read in float32

    def call(self, inputs: Tensor) -> Tensor:
        centered = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
        # Not ops.moments, which loses the variance of weights whose mean is large.
        variance = ops.mean(ops.square(centered), axis=(0, 1, 2), keepdims=True)
        kernel = centered / ops.sqrt(variance + self.epsilon)
        outputs = self.convolution_op(inputs, ops.cast(kernel, self.compute_dtype))
        if self.use_bias:
            shape = (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1)
            outputs = outputs + ops.cast(ops.reshape(self.bias, shape), self.compute_dtype)
        return outputs if self.activation is None else self.activation(outputs)

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


# doctest skips classes whose `__module__` is another one.
__test__ = {"Conv2D": Conv2D}
