"""How fast a training step could be at most on this machine: the limits of its layers, each measured alone, in sum.

The limit of a pass of a convolution is the larger of its time alone (operations / measured rate of that shape) and of
the time that its bytes take at the measured bandwidth of a copy. There are three passes: forward, the gradient of the
inputs, and the gradient of the weights. All other layers, and the update of the weights, are limited by their bytes.
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

Seconds = Callable[[Callable[[], object]], float]  # the time of a function, as `median_seconds` of program.py
FLOAT32 = 4  # bytes
COPIED = 32 * 2**20  # bytes of the array whose copy is timed: as large as large activations


@dataclasses.dataclass(frozen=True)
class Convolution:
    """The shapes of a convolution; a fully connected layer is one of a single pixel.

    Attributes:
        images: (batch, height, width, channels).
        kernel: (height, width, inputs, outputs).
        output: (batch, height, width, channels).
        strides: in both directions.
        padding: "SAME" or "VALID".
        dtype: of all tensors.
        is_first: whether its inputs need no gradient, because they are the images.
    """

    images: tuple[int, ...]
    kernel: tuple[int, ...]
    output: tuple[int, ...]
    strides: int
    padding: str
    dtype: str
    is_first: bool

    @property
    def multiply_adds(self) -> int:
        """Of one pass."""
        return math.prod(self.output) * math.prod(self.kernel[:3])

    @property
    def bytes(self) -> int:
        """What one pass reads and writes at least: images, kernel and output, or their gradients."""
        return itemsize(self.dtype) * sum(map(math.prod, (self.images, self.kernel, self.output)))

    @property
    def name(self) -> str:
        """Its shape: "3x3 64->64 /2, 56x56"."""
        height, width, inputs, outputs = self.kernel
        stride = f" /{self.strides}" if self.strides > 1 else ""
        return f"{height}x{width} {inputs}->{outputs}{stride}, {self.output[1]}x{self.output[2]}"


@dataclasses.dataclass(frozen=True)
class Normalization:
    """The shape and the dtype of what a batch normalization normalizes."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Of both directions: forward reads twice and writes; backward reads inputs and gradients twice, and writes."""
        return (3 + 5) * itemsize(self.dtype) * math.prod(self.shape)


def itemsize(dtype: str) -> int:
    """Bytes of a value."""
    return {"float32": 4, "bfloat16": 2, "float16": 2, "uint8": 1}[dtype]


def convolutions(model, batch: int) -> collections.Counter:
    """{shape: how often it occurs} of a model's convolutions and fully connected layers.

    Raises:
        ValueError: a convolution has groups, which TensorFlow cannot run alone on a CPU.
    """
    import keras

    found = collections.Counter()
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            continue
        is_dense = isinstance(layer, keras.layers.Dense)
        if getattr(layer, "groups", 1) > 1:
            raise ValueError(f"{layer.name} has {layer.groups} groups; the limit is for networks without groups.")
        pixel = (1, 1) if is_dense else ()
        found[
            Convolution(
                images=(batch, *pixel, *layer.input.shape[1:]),
                kernel=(*pixel, *layer.kernel.shape),
                output=(batch, *pixel, *layer.output.shape[1:]),
                strides=1 if is_dense else layer.strides[0],
                padding="VALID" if is_dense else layer.padding.upper(),
                dtype=layer.compute_dtype,
                is_first=not _has_gradient(layer.input),
            )
        ] += 1
    return found


def _has_gradient(tensor) -> bool:
    """Whether weights come before a tensor."""
    layer = tensor._keras_history.operation
    return bool(layer.weights) or any(map(_has_gradient, layer._inbound_nodes[0].input_tensors))


def normalizations(model, batch: int) -> collections.Counter:
    """{shape: how often it occurs} of a model's batch normalizations."""
    import keras

    return collections.Counter(
        Normalization((batch, *layer.input.shape[1:]), layer.compute_dtype)
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )


def other_bytes(model, batch: int) -> int:
    """What the layers without weights read and write in both directions, the sums of gradients, and the update.

    A layer reads its inputs and writes its output, and backward the reverse. An activation also reads its output
    backward; after a normalization, it is part of that. A tensor that several layers read gets the sum of their
    gradients. SGD with momentum reads weights, gradients and velocities, and writes weights and velocities, in float32.
    """
    import keras

    total = 5 * FLOAT32 * sum(math.prod(variable.shape) for variable in model.trainable_variables)
    readers = collections.Counter()
    for layer in model.layers:
        node = layer._inbound_nodes[0]
        readers.update(id(tensor) for tensor in node.input_tensors)
        if layer.weights or isinstance(layer, keras.layers.InputLayer):
            continue
        sources = [tensor._keras_history.operation for tensor in node.input_tensors]
        activates = isinstance(layer, (keras.layers.ReLU, keras.layers.Activation))
        if activates and isinstance(sources[0], keras.layers.BatchNormalization):
            continue
        moved = sum(map(_size, node.input_tensors)) + _size(layer.output)
        backward = any(map(_has_gradient, node.input_tensors))
        is_sum = isinstance(layer, keras.layers.Add)  # hands its gradient on as it is
        total += batch * (moved + (moved if backward and not is_sum else 0) + activates * _size(layer.output))
    for layer in model.layers:
        several = readers[id(layer.output)] - 1
        total += batch * 3 * max(0, several) * _size(layer.output)
    return total


def _size(tensor) -> int:
    """Bytes of a tensor for one image."""
    return itemsize(tensor.dtype) * math.prod(tensor.shape[1:])


# ---------------------------------------------------------------------------------------------
# Measurements


def bandwidth(seconds: Seconds) -> float:
    """Bytes a second that TensorFlow reads and writes in an elementwise operation on float32 values."""
    import tensorflow as tf

    values = tf.random.normal((COPIED // FLOAT32,))
    return 2 * COPIED / seconds(lambda: -values)


def passes(convolution: Convolution) -> Iterator[tuple[str, list[Callable[[], object]]]]:
    """The name of each pass of a convolution, and the operations that compute it, of which the fastest counts."""
    import tensorflow as tf

    def draw(shape):
        return tf.cast(tf.random.normal(shape), convolution.dtype)

    images, kernel, output = draw(convolution.images), draw(convolution.kernel), draw(convolution.output)
    options = dict(strides=convolution.strides, padding=convolution.padding)
    raw = dict(strides=[1, convolution.strides, convolution.strides, 1], padding=convolution.padding)
    yield "forward", [lambda: tf.nn.conv2d(images, kernel, **options)]
    if not convolution.is_first:
        sizes = tf.constant(convolution.images)
        yield (
            "inputs",
            [lambda: tf.raw_ops.Conv2DBackpropInput(input_sizes=sizes, filter=kernel, out_backprop=output, **raw)],
        )
    sizes = tf.constant(convolution.kernel)
    ways = [lambda: tf.raw_ops.Conv2DBackpropFilter(input=images, filter_sizes=sizes, out_backprop=output, **raw)]
    if convolution.kernel[:2] == (1, 1):  # a product of matrices, of the pixels that the strides leave
        pixels = images[:, :: convolution.strides, :: convolution.strides]
        left, right = (tf.reshape(each, (-1, each.shape[-1])) for each in (pixels, output))
        ways.append(lambda: tf.matmul(left, right, transpose_a=True))
    yield "weights", ways


def normalization_passes(normalization: Normalization) -> list[Callable[[], object]]:
    """The fused batch normalization, forward and backward."""
    import tensorflow as tf

    values = tf.cast(tf.random.normal(normalization.shape), normalization.dtype)
    ones, zeros = tf.ones(normalization.shape[-1]), tf.zeros(normalization.shape[-1])
    forward = functools.partial(
        tf.raw_ops.FusedBatchNormV3, x=values, scale=ones, offset=zeros, mean=tf.zeros([0]), variance=tf.zeros([0])
    )
    kept = forward()
    backward = functools.partial(
        tf.raw_ops.FusedBatchNormGradV3,
        y_backprop=values,
        x=values,
        scale=ones,
        reserve_space_1=kept.reserve_space_1,
        reserve_space_2=kept.reserve_space_2,
        reserve_space_3=kept.reserve_space_3,
    )
    return [forward, backward]


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of layer: how often it occurs, and the seconds of its passes, alone and at the bandwidth."""

    name: str
    count: int
    alone: dict[str, float]
    by_bytes: float
    multiply_adds: int

    @property
    def limit(self) -> float:
        """Seconds of all passes of one layer at least."""
        return sum(max(seconds, self.by_bytes) for seconds in self.alone.values())


def convolution_rows(model, batch: int, rate: float, seconds: Seconds) -> list[Row]:
    """The convolutions of a model, timed alone.

    Args:
        model: a network without groups.
        batch: images in a batch.
        rate: the bandwidth, bytes per second.
        seconds: times a function.
    """
    return [
        Row(
            convolution.name,
            count,
            {name: min(map(seconds, ways)) for name, ways in passes(convolution)},
            convolution.bytes / rate,
            convolution.multiply_adds,
        )
        for convolution, count in convolutions(model, batch).items()
    ]


def limit(model, batch: int, seconds: Seconds) -> dict[str, float]:
    """Images per second at most, and of oneDNN's convolutions and normalizations alone; and where the time goes."""
    rate = bandwidth(seconds)
    rows = convolution_rows(model, batch, rate, seconds)
    found = normalizations(model, batch)
    normalized = sum(count * each.bytes for each, count in found.items()) / rate
    others = other_bytes(model, batch) / rate
    convolved = sum(row.count * row.limit for row in rows)
    alone = sum(row.count * sum(row.alone.values()) for row in rows)
    fused = sum(count * sum(map(seconds, normalization_passes(each))) for each, count in found.items())
    return {
        "images/s": batch / (convolved + normalized + others),
        "images/s of oneDNN alone": batch / (alone + fused),
        "convolutions ms": 1000 * convolved,
        "normalizations ms": 1000 * normalized,
        "normalizations alone ms": 1000 * fused,
        "other layers ms": 1000 * others,
        "bandwidth GB/s": rate / 1e9,
    }
