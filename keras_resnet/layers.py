"""Layers that Keras lacks, or that are faster here."""

from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops

Tensor = Any  # of Keras's backend
Shape = tuple[Any, ...]  # None where a size is variable
Class = TypeVar("Class", bound=type)


def channel_axis() -> int:
    """The channel axis of a batch of images: -1, or 1 if Keras's image data format is "channels_first"."""
    return -1 if keras.config.image_data_format() == "channels_last" else 1


def replaces(stock: type) -> Callable[[Class], Class]:
    """Registers a class with Keras as a replacement of its own class of the same name.

    A `.keras` file names a class in two ways: by the name that it is registered under, which counts where this package
    is imported, and else by its module and name. With the module of Keras's own class, the file opens without this
    package as well, and then computes with Keras's class.

    Example:
        >>> import keras, keras_resnet
        >>> config = keras.saving.serialize_keras_object(keras_resnet.layers.Conv2D(8, 3))
        >>> config["registered_name"], config["module"] == keras.layers.Conv2D.__module__
        ('keras_resnet>Conv2D', True)
    """

    def register(cls: Class) -> Class:
        cls.__module__ = stock.__module__
        return keras.saving.register_keras_serializable(package="keras_resnet")(cls)

    return register


@keras.saving.register_keras_serializable(package="keras_resnet")
class ZeroPaddedShortcut(keras.layers.Layer):
    """Shortcut option A: subsamples the image and pads the channels with zeros; without parameters.

    Source: He et al. 2015, section 3.3, "identity mapping with extra zero entries padded". The
    paper does not say on which side, which makes no difference when training from scratch. Here half
    of the zeros precede the input's channels and half follow, as in the published CIFAR weights.

    Args:
        filters: channels of the output, at least as many as the input has.
        strides: the stride; every `strides`-th row and column is kept.

    Shapes: (batch, H, W, C) to (batch, ceil(H / strides), ceil(W / strides), filters), or the
    same with channels first, as Keras is configured.

    Example:
        >>> import keras, keras_resnet
        >>> shortcut = keras_resnet.layers.ZeroPaddedShortcut(32, strides=2)
        >>> tuple(shortcut(keras.ops.ones((1, 8, 8, 16))).shape)
        (1, 4, 4, 32)
    """

    def __init__(self, filters: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.channels_last = channel_axis() == -1

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1 if self.channels_last else 1]
        if self.filters < channels:
            raise ValueError(
                f"A zero-padded shortcut cannot reduce {channels} channels to {self.filters}; "
                "use a projection (shortcut='B')."
            )
        before = (self.filters - channels) // 2
        self.padding = (before, self.filters - channels - before)

    def call(self, inputs: Tensor) -> Tensor:
        if self.channels_last:
            # Average pooling over one pixel: several times as fast as a strided slice, whose gradient uses one core.
            kept = ops.average_pool(inputs, 1, self.strides, data_format="channels_last")
            return ops.pad(kept, ((0, 0), (0, 0), (0, 0), self.padding))
        kept = inputs[:, :, :: self.strides, :: self.strides]
        return ops.pad(kept, ((0, 0), self.padding, (0, 0), (0, 0)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *rest = input_shape
        space = rest[:-1] if self.channels_last else rest[1:]
        space = [None if size is None else -(-size // self.strides) for size in space]
        return (batch, *space, self.filters) if self.channels_last else (batch, self.filters, *space)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


@keras.saving.register_keras_serializable(package="keras_resnet")
class BlurPool(keras.layers.Layer):
    """Blurs with a 3x3 binomial filter and keeps every second row and column.

    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
    https://arxiv.org/abs/1904.11486. Padding is by reflection.

    Shapes: (batch, H, W, C) to (batch, ceil(H / 2), ceil(W / 2), C), H and W at least 2; or the same with
    channels first, as Keras is configured.

    Example:
        >>> import keras, keras_resnet
        >>> tuple(keras_resnet.layers.BlurPool()(keras.ops.ones((1, 8, 8, 16))).shape)
        (1, 4, 4, 16)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.axis = channel_axis()

    def build(self, input_shape: Shape) -> None:
        row = np.array([1.0, 2.0, 1.0]) / 4
        self.kernel = np.tile(np.outer(row, row)[:, :, None, None], (1, 1, input_shape[self.axis], 1))

    def call(self, inputs: Tensor) -> Tensor:
        space = [(1, 1), (1, 1)]
        padding = [(0, 0), *space, (0, 0)] if self.axis == -1 else [(0, 0), (0, 0), *space]
        padded = ops.pad(inputs, padding, mode="reflect")
        kernel = ops.convert_to_tensor(self.kernel, dtype=self.compute_dtype)
        return ops.depthwise_conv(padded, kernel, strides=2, padding="valid")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        def halved(sizes):
            return [None if size is None else -(-size // 2) for size in sizes]

        batch, *rest = input_shape
        return (batch, *halved(rest[:2]), rest[2]) if self.axis == -1 else (batch, rest[0], *halved(rest[1:]))


@keras.saving.register_keras_serializable(package="keras_resnet")
class PaddedMaxPooling2D(keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` of stride 2, padded with minus infinity on all sides, as in PyTorch.

    With zero padding, the maximum of negative inputs at the border would be wrong.

    Shapes: (batch, H, W, C) to (batch, ceil(H / 2), ceil(W / 2), C), or the same with channels first.

    Example:
        >>> import keras, keras_resnet
        >>> keras_resnet.layers.PaddedMaxPooling2D(3)(-keras.ops.ones((1, 8, 8, 16))).numpy().max()
        np.float32(-1.0)
    """

    def __init__(self, pool_size: int | tuple[int, int], strides: int | tuple[int, int] = 2, **kwargs):
        super().__init__(pool_size, strides, **{**kwargs, "padding": "valid"})

    def _padded(self, shape: Shape) -> Shape:
        border = [2 * (size // 2) for size in self.pool_size]
        first = 1 if self.data_format == "channels_last" else 2
        space = [None if side is None else side + b for side, b in zip(shape[first : first + 2], border, strict=True)]
        return (*shape[:first], *space, *shape[first + 2 :])

    def call(self, inputs: Tensor) -> Tensor:
        space = [(size // 2, size // 2) for size in self.pool_size]
        padding = [(0, 0), *space, (0, 0)] if self.data_format == "channels_last" else [(0, 0), (0, 0), *space]
        return super().call(ops.pad(inputs, padding, constant_values=float("-inf")))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return super().compute_output_shape(self._padded(input_shape))


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
            and all(device.startswith("cpu") for device in keras.distribution.list_devices())
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


@replaces(keras.layers.BatchNormalization)
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with TensorFlow's fused kernel where possible.

    Keras 3 normalizes with elementwise operations in float32. The fused kernel does the same in
    one pass, and reads and writes bfloat16 or float16 with float32 statistics. It is used for images
    (rank 4, channels last) on the TensorFlow backend. All other cases (other axes, masks,
    synchronized or renormalized statistics, other backends, float64) are computed by Keras's layer.

    Arguments, weights and configuration are those of Keras's layer. One difference: the moving variance
    averages the *unbiased* variance of each batch, n / (n - 1) times Keras's, as in Caffe and PyTorch
    (n = batch x height x width values per channel).

    Example:
        >>> import keras, keras_resnet
        >>> layer = keras_resnet.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> tuple(layer(keras.ops.ones((2, 4, 4, 8)), training=True).shape)
        (2, 4, 4, 8)
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if not self._fused(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        return self._fused_call(inputs, training=bool(training and self.trainable))

    def _fused(self, inputs: Tensor, mask: Tensor | None) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (3, -1)
            and self.center
            and self.scale
            and mask is None
            and not self.synchronized
            and not getattr(self, "renorm", False)  # Keras 3.13 and later
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
            and keras.backend.standardize_dtype(self.gamma.dtype) == "float32"
        )

    def _fused_call(self, inputs: Tensor, training: bool) -> Tensor:
        import tensorflow as tf

        # The raw operation, because tf.compat.v1.nn.fused_batch_norm raises epsilon to 1.001e-5.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]) if training else tf.convert_to_tensor(self.moving_mean),
            variance=tf.zeros([0]) if training else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)


# doctest skips classes whose `__module__` is another one.
__test__ = {"Conv2D": Conv2D, "BatchNormalization": BatchNormalization}
