"""The constructed solution: a deeper network, whose added blocks are identity mappings, equals a given one.

Source: He et al. 2015, section 1: "There exists a solution by construction to the deeper model: the added layers are
identity mapping, and the other layers are copied from the learned shallower model."
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.blocks import Block, find_blocks, stages_of
from keras_resnet.analysis.graph import Call, flattened
from keras_resnet.analysis.identities import make_identity, moments_of
from keras_resnet.analysis.replay import replay
from keras_resnet.errors import shown
from keras_resnet.exporting.rewriting import set_values
from keras_resnet.models.model import Model, recursion_limit

NUMBERED = re.compile(r"(.*block)\d+")  # a block's name, as "stage1_block3"
Copies = dict[keras.Operation, keras.Operation]  # by the operations that they are copies of


class Addition(NamedTuple):
    """A block to add after others of its stage.

    Attributes:
        template: the block of the given network whose layers it has, and which it follows.
        name: of the added block.
    """

    template: Block
    name: str


def deeper(model: keras.Model, depths: Sequence[int], images: np.ndarray | None = None) -> Model:
    """A deeper network with the same outputs: the weights of a given one, and added blocks that are identity mappings.

    The added blocks follow the last block of their stage that keeps the shape, and have its layers. In a residual
    network, their weights are random, but the last layer of the branch is zero. In a plain network, their convolutions
    hand on each channel (a 1 in the middle of the kernel), and their normalizations undo themselves: their statistics
    are the mean and variance that their inputs have on `images` in training, beta is the mean, and gamma the standard
    deviation. In training, where the statistics are those of a batch, a plain block is an identity only as far as a
    batch has the statistics of `images`; a residual block always is.

    Args:
        model: a functional model, also one with models inside it. It stays as it is.
        depths: number of blocks of each stage, at least as many as the model has.
        images: (N, height, width, channels), in 0 to 255, for plain networks. Without them, the statistics are 0 and 1,
            so that the added blocks are identities in inference, but far from it in training.

    Returns:
        The deeper network, with layers of its own.

    Raises:
        ValueError: the depths do not fit the model, or no identity can be made of its blocks.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.construction import deeper
        >>> deeper(keras_resnet.ResNet20Cifar(), (3, 4, 3)).get_layer("stage2_block4_add").name
        'stage2_block4_add'
    """
    flat = flattened(model)
    additions = _additions(flat, depths)
    copies: Copies = {}
    copies_of_blocks: dict[str, Copies] = {addition.name: {} for addition in additions}

    def compute(call: Call, *args: Any, **kwargs: Any) -> Any:
        outputs = _copy(call.operation, call.operation.name, copies)(*args, **kwargs)
        for addition in additions:
            if addition.template.output is call.outputs[0]:
                outputs = _added_block(addition, copies_of_blocks[addition.name], outputs)
        return outputs

    with recursion_limit():
        inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in flat.inputs]
        outputs = replay(flat.inputs, flat.outputs, inputs, compute)
        known = {name: getattr(model, name, None) for name in ("view", "class_names")}
        made = Model(*map(_unpacked, (inputs, outputs)), name=f"deeper_{model.name}", **known)
    for original, copy in copies.items():
        if isinstance(original, keras.Layer):
            set_values(copy, original.get_weights())
    _make_identities(flat, additions, copies_of_blocks, images)
    return made


def _unpacked(tensors: list[keras.KerasTensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _additions(model: keras.Model, depths: Sequence[int]) -> list[Addition]:
    stages = stages_of(find_blocks(model))
    found = tuple(map(len, stages))
    if len(depths) != len(found) or any(depth < before for depth, before in zip(depths, found, strict=True)):
        raise ValueError(
            f"depths={shown(tuple(depths))} must have {len(found)} numbers, at least those of {model.name}: {found}."
        )
    return [
        Addition(_template(stage, model), _name(stage, number))
        for stage, depth in zip(stages, depths, strict=True)
        for number in range(len(stage) + 1, depth + 1)
    ]


def _template(stage: list[Block], model: keras.Model) -> Block:
    for block in reversed(stage):
        if block.entry.shape == block.output.shape and (block.is_identity or block.shortcut is None):
            return block
    raise ValueError(
        f"No block can be added to the stage of {stage[-1].name} in {model.name}: none of its blocks keeps the shape "
        "without a projection in its shortcut."
    )


def _name(stage: list[Block], number: int) -> str:
    """The name of an added block, such as "stage1_block4"."""
    last = stage[-1].name
    numbered = NUMBERED.fullmatch(last)
    return f"{numbered[1]}{number}" if numbered else f"{last}_added{number - len(stage)}"


def _added_block(addition: Addition, copies: Copies, x: Any) -> Any:
    """The output of an added block, for the output of the block before it."""
    template, block = addition

    def compute(call: Call, *args: Any, **kwargs: Any) -> Any:
        name = call.operation.name
        own_part = name.removeprefix(template.name) if name.startswith(template.name) else f"_{name}"
        return _copy(call.operation, block + own_part, copies)(*args, **kwargs)

    return replay([template.entry], [template.output], [x], compute)[0]


def _copy(operation: keras.Operation, name: str, copies: Copies) -> keras.Operation:
    """The copy of a layer or operation, with new weights; one for all its uses."""
    if operation not in copies:
        try:
            config = operation.get_config()
            renamed = {**config, **({"name": name} if "name" in config else {})}
            copies[operation] = type(operation).from_config(renamed)
        except NotImplementedError:  # an operation with arguments that Keras cannot save; it has no weights
            copies[operation] = operation
    return copies[operation]


def _make_identities(
    model: keras.Model, additions: list[Addition], copies: dict[str, Copies], images: np.ndarray | None
) -> None:
    """Sets the weights of the added blocks."""
    plain = {id(template.output): template.output for template, _ in additions if template.shortcut is None}
    moments = moments_of(model, [*plain.values()], images) if plain and images is not None else {}
    for template, name in additions:
        make_identity(template, copies[name], moments.get(id(template.output)))
