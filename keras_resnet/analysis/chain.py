"""A network as a chain of blocks, which can be run in any order, and without the branches of some."""

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_resnet.analysis.blocks import Block, find_blocks
from keras_resnet.analysis.graph import flattened
from keras_resnet.analysis.replay import replay
from keras_resnet.models.model import number_of_classes

Function = Callable[[Any], Any]  # of a batch of feature maps


class Link(NamedTuple):
    """A block with what lies between it and the block before.

    Attributes:
        block: of the model's graph.
        run: its function.
        skip: its function without the residual branch; without the whole block if it is plain; None if that is
            impossible, because a plain block changes the shape.
        shape: of its input and output, (batch, height, width, channels); None if they differ.
    """

    block: Block
    run: Function
    skip: Function | None
    shape: tuple[int | None, ...] | None


class Chain:
    """A network as a stem, links, and a head. Each of them is compiled once, whatever the order in which they run.

    The model is only read: its weights are those that it has when the chain runs.

    Args:
        model: a functional model with one output (batch, classes), also one with models inside it.

    Attributes:
        model: the model without models inside it.
        links: its blocks, in order.

    Raises:
        ValueError: the model has no classifier or no blocks, or its blocks do not follow one another.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.chain import Chain
        >>> chain = Chain(keras_resnet.ResNet20Cifar())
        >>> chain.removable
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
        >>> chain.alike
        [[0, 1, 2], [4, 5], [7, 8]]
    """

    def __init__(self, model: keras.Model) -> None:
        number_of_classes(model)
        self.model = flattened(model)
        blocks = find_blocks(self.model)
        starts = [blocks[0].entry, *(block.output for block in blocks)]
        try:
            self.links = [_link(start, block) for start, block in zip(starts, blocks, strict=False)]
            self._stem = _segment(self.model.inputs[0], starts[0])
            self._head = _segment(starts[-1], self.model.outputs[0])
        except ValueError as error:
            raise ValueError(f"The blocks of {model.name} do not follow one another. {error}") from error

    @property
    def removable(self) -> list[int]:
        """The numbers of the blocks, from 0, that can be skipped."""
        return [number for number, link in enumerate(self.links) if link.skip]

    @property
    def alike(self) -> list[list[int]]:
        """The numbers of the blocks that could change places: for each shape, those that map it to itself."""
        by_shape: dict[tuple, list[int]] = {}
        for number, link in enumerate(self.links):
            if link.shape:
                by_shape.setdefault(link.shape, []).append(number)
        return [numbers for numbers in by_shape.values() if len(numbers) > 1]

    def outputs(
        self, images: tf.Tensor, routes: Sequence[tuple[Sequence[int], Collection[int]]]
    ) -> Iterator[tf.Tensor]:
        """The outputs of the network on each of several routes through its blocks.

        Args:
            images: a batch.
            routes: for each the numbers of all blocks in the order in which they run, and those that are skipped.
        """
        intact = [self._stem(tf.cast(images, self.model.inputs[0].dtype))]
        for link in self.links:
            intact.append(link.run(intact[-1]))
        for order, skipped in routes:
            same = _length_of_common_start(order, skipped)  # up to there, the values are those of the intact network
            values = intact[same]
            for number in order[same:]:
                link = self.links[number]
                values = link.skip(values) if number in skipped and link.skip else link.run(values)
            yield self._head(values)


def _length_of_common_start(order: Sequence[int], skipped: Collection[int]) -> int:
    return next((place for place, number in enumerate(order) if number != place or number in skipped), len(order))


def _link(start: keras.KerasTensor, block: Block) -> Link:
    shape = start.shape if start.shape == block.output.shape else None
    skip: Function | None = None
    if block.shortcut is not None:
        skip = _compiled(functools.partial(_without_branch, start, block), start)
    elif shape:
        skip = _unchanged
    return Link(block, _segment(start, block.output), skip, shape)


def _segment(start: keras.KerasTensor, end: keras.KerasTensor) -> Function:
    """A function of the values of one tensor of a graph that returns those of a later one.

    Raises:
        ValueError: the later one depends on others, too.
    """
    return _compiled(lambda values: replay([start], [end], [values])[0], start)


def _compiled(function: Function, start: keras.KerasTensor) -> Function:
    """The function for batches of any size of values like those of a tensor."""
    values = tf.TensorSpec(start.shape, start.dtype)
    return tf.function(function, autograph=False).get_concrete_function(values)


def _without_branch(start: keras.KerasTensor, block: Block, values: Any) -> Any:
    """The shortcut with the activation of the sum."""
    return replay([block.sum], [block.output], replay([start], [block.shortcut], [values]))[0]


def _unchanged(values: Any) -> Any:
    return values
