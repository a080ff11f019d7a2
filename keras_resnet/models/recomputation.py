"""Recomputing blocks backward (gradient checkpointing), which keeps their inputs only."""

import itertools
import re
from typing import Any

import keras

from keras_resnet.layers.registration import Tensor

BLOCK = re.compile(r"stage\d+_block\d+(?=_)")  # the start of the names of a block's layers


class RecomputedBlocks:
    """A network as a chain of parts, of which backward computes each block again instead of keeping its tensors.

    Losses, gradients, moving statistics and random numbers are those of the network itself: the statistics are updated
    once, and the second computation draws the same numbers. Source: Chen et al. 2016, https://arxiv.org/abs/1604.06174.

    Args:
        model: a functional model of this package with one output.

    Raises:
        ValueError: the model has no blocks or several outputs, or Keras's backend is not TensorFlow.
    """

    def __init__(self, model: keras.Model) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ValueError("recompute_blocks needs the TensorFlow backend.")
        last = {found[0]: layer for layer in model.layers if (found := BLOCK.match(layer.name))}  # in the graph's order
        if len(model.inputs) != 1 or len(model.outputs) != 1 or not last:
            raise ValueError(f"recompute_blocks needs a network with blocks and one output, which {model.name} is not.")
        ends = [layer.output for layer in last.values()]
        first, *starts = [_entry(model), *ends]
        self.stem = keras.Model(model.inputs[0], first)
        self.blocks = [keras.Model(start, end) for start, end in itertools.pairwise([first, *ends])]
        self.head = keras.Model(starts[-1], model.outputs[0])

    def __call__(self, images: Tensor) -> Tensor:
        """The outputs for a batch of images, in training."""
        x = self.stem(images, training=True)
        for block in self.blocks:
            x = recomputed(block, x)
        return self.head(x, training=True)


def _entry(model: keras.Model) -> keras.KerasTensor:
    """The tensor from which the first block starts: what its first layer reads."""
    first = next(layer for layer in model.layers if BLOCK.match(layer.name))
    return first.input


def recomputed(block: keras.Model, x: Tensor) -> Tensor:
    """A block's output in training, whose gradient computes the block again."""
    import tensorflow as tf

    variables = block.trainable_variables, block.non_trainable_variables
    trained, others = ([tf.identity(variable.value) for variable in each] for each in variables)

    def call(x: Tensor, weights: Any) -> tuple[Tensor, list[Tensor]]:
        return block.stateless_call(weights, others, x, training=True)

    @tf.custom_gradient
    def forward(x, *weights):
        def gradients(upstream, *_):
            with tf.control_dependencies([upstream]):  # else all blocks are computed again at once, and kept
                again = [tf.identity(tensor) for tensor in (x, *weights)]
            with tf.GradientTape() as tape:
                tape.watch(again)
                output, _ = call(again[0], again[1:])
            return tape.gradient(output, again, output_gradients=upstream)

        output, updated = call(x, weights)
        return (output, *updated), gradients

    output, *updated = forward(x, *trained)
    for variable, value in zip(block.non_trainable_variables, updated, strict=True):
        variable.assign(value)
    return output
