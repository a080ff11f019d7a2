"""Layers that subsample: shortcut option A, blur pooling, and max pooling with PyTorch's padding."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_resnet.layers.registration import Shape, Tensor, channel_axis


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
    """Blurs with a 3x3 binomial filter and keeps every second row and column, or all of them.

    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
    https://arxiv.org/abs/1904.11486. Padding is by reflection.

    Args:
        strides: the stride; every `strides`-th row and column is kept.

    Shapes: (batch, H, W, C) to (batch, ceil(H / strides), ceil(W / strides), C), H and W at least 2; or the same with
    channels first, as Keras is configured.

    Example:
        >>> import keras, keras_resnet
        >>> tuple(keras_resnet.layers.BlurPool()(keras.ops.ones((1, 8, 8, 16))).shape)
        (1, 4, 4, 16)
    """

    def __init__(self, strides: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.strides = strides
        self.axis = channel_axis()

    def build(self, input_shape: Shape) -> None:
        row = np.array([1.0, 2.0, 1.0]) / 4
        self.kernel = np.tile(np.outer(row, row)[:, :, None, None], (1, 1, input_shape[self.axis], 1))

    def call(self, inputs: Tensor) -> Tensor:
        space = [(1, 1), (1, 1)]
        padding = [(0, 0), *space, (0, 0)] if self.axis == -1 else [(0, 0), (0, 0), *space]
        padded = ops.pad(inputs, padding, mode="reflect")
        kernel = ops.convert_to_tensor(self.kernel, dtype=self.compute_dtype)
        return ops.depthwise_conv(padded, kernel, strides=self.strides, padding="valid")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        def reduced(sizes):
            return [None if size is None else -(-size // self.strides) for size in sizes]

        batch, *rest = input_shape
        return (batch, *reduced(rest[:2]), rest[2]) if self.axis == -1 else (batch, rest[0], *reduced(rest[1:]))

    def get_config(self) -> dict:
        return {**super().get_config(), "strides": self.strides}


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
