"""The blocks of a network, found in its graph: also of networks that other libraries or users built."""

import dataclasses
import itertools
import re
from collections.abc import Hashable, Iterable

import keras

from keras_resnet.analysis.graph import Call, calls, calls_between

PLAIN_BLOCK = re.compile(r"(stage\d+_block\d+)_")  # names of the layers of this package's blocks


@dataclasses.dataclass(frozen=True)
class Block:
    """A block as tensors of the model's graph, in the terms of the paper's equation y = F(x) + x.

    Attributes:
        name: "stage2_block1", or for other networks the name of the layer that adds.
        entry: x, where shortcut and branch part.
        branch: F(x), the end of the residual branch.
        shortcut: what is added to the branch: x itself, or its projection; None in a plain block.
        sum: F(x) + x; in a plain block F(x).
        output: the sum after the activation, if one follows (v1).
    """

    name: str
    entry: keras.KerasTensor
    branch: keras.KerasTensor
    shortcut: keras.KerasTensor | None
    sum: keras.KerasTensor
    output: keras.KerasTensor

    @property
    def is_identity(self) -> bool:
        """Whether the shortcut hands on x unchanged."""
        return self.shortcut is self.entry


def find_blocks(model: keras.Model) -> list[Block]:
    """The blocks of a network, in order.

    A residual block is a sum of two feature maps of the same shape; `entry` is the last tensor that all paths from the
    input to the sum pass. If there is none, plain blocks are found by the names of this package's layers.

    Args:
        model: a functional model without models inside it (see `keras_resnet.analysis.graph.flattened`).

    Raises:
        ValueError: the model has no blocks.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.blocks import find_blocks
        >>> [block.name for block in find_blocks(keras_resnet.ResNet20Cifar())][:2]
        ['stage1_block1', 'stage1_block2']
    """
    order = calls(model)
    found = _residual_blocks(model, order) or _plain_blocks(order)
    if not found:
        raise ValueError(
            f"{model.name} has no blocks: no layer adds two feature maps, and none is named stage1_block1..."
        )
    return found


def stages_of(blocks: Iterable[Block]) -> list[list[Block]]:
    """The blocks of each stage: those in a row whose names say so, or else whose outputs have the same shape.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.blocks import find_blocks, stages_of
        >>> [len(stage) for stage in stages_of(find_blocks(keras_resnet.ResNet20Cifar()))]
        [3, 3, 3]
    """
    return [list(stage) for _, stage in itertools.groupby(blocks, _stage)]


def _stage(block: Block) -> Hashable:
    """What all blocks of a stage share: "stage2" or "conv3" of their names, else the shape of their outputs."""
    stage, found, _ = block.name.partition("_block")
    return stage if found else tuple(block.output.shape[1:])


def _residual_blocks(model: keras.Model, order: list[Call]) -> list[Block]:
    dominators = _Dominators(model.inputs)
    blocks = []
    for call in order:
        dominators.add(call)
        if not _adds_feature_maps(call):
            continue
        total = call.outputs[0]
        entry = dominators.nearest(total)
        if entry is None:
            continue
        shortcut, branch = sorted(call.inputs, key=lambda tensor: _convolutions_between(entry, tensor))
        name = call.operation.name.removesuffix("_add")
        blocks.append(Block(name, entry, branch, shortcut, total, _activated(total, order)))
    return blocks


def _adds_feature_maps(call: Call) -> bool:
    adds = type(call.operation).__name__ == "Add" and len(call.inputs) == 2
    return adds and len(call.inputs[0].shape) == 4 and call.inputs[0].shape == call.inputs[1].shape


class _Dominators:
    """For each tensor the last other one that all paths from the input to it pass."""

    def __init__(self, inputs: list[keras.KerasTensor]) -> None:
        self._above: dict[int, keras.KerasTensor | None] = {id(tensor): None for tensor in inputs}
        self._depth = {id(tensor): 0 for tensor in inputs}

    def add(self, call: Call) -> None:
        """Takes in a call, after those that it depends on."""
        above = self._meeting(call.inputs)
        for tensor in call.outputs:
            self._above[id(tensor)] = above
            self._depth[id(tensor)] = 0 if above is None else self._depth[id(above)] + 1

    def nearest(self, tensor: keras.KerasTensor) -> keras.KerasTensor | None:
        return self._above[id(tensor)]

    def _meeting(self, tensors: tuple[keras.KerasTensor, ...]) -> keras.KerasTensor | None:
        meeting: keras.KerasTensor | None = tensors[0]
        for tensor in tensors[1:]:
            other: keras.KerasTensor | None = tensor
            while meeting is not other and meeting is not None and other is not None:
                if self._depth[id(meeting)] > self._depth[id(other)]:
                    meeting = self._above[id(meeting)]
                else:
                    other = self._above[id(other)]
            meeting = meeting if meeting is other else None
        return meeting


def _convolutions_between(entry: keras.KerasTensor, end: keras.KerasTensor) -> tuple[int, int]:
    """Sorts the shortcut before the branch: the number of convolutions, and of all calls, on the way from the entry."""
    between = calls_between([entry], [end])
    return sum(isinstance(call.operation, keras.layers.Conv2D) for call in between), len(between)


def _activated(total: keras.KerasTensor, order: list[Call]) -> keras.KerasTensor:
    users = [call for call in order if any(tensor is total for tensor in call.inputs)]
    if len(users) == 1 and isinstance(users[0].operation, (keras.layers.Activation, keras.layers.ReLU)):
        return users[0].outputs[0]
    return total


def _plain_blocks(order: list[Call]) -> list[Block]:
    members: dict[str, list[Call]] = {}
    for call in order:
        named = PLAIN_BLOCK.match(call.operation.name)
        if named:
            members.setdefault(named[1], []).append(call)
    blocks = []
    for name, inside in members.items():
        last = inside[-1]
        end = last.inputs[0] if last.operation.name == f"{name}_out" else last.outputs[0]
        blocks.append(Block(name, inside[0].inputs[0], end, None, end, last.outputs[0]))
    return blocks
