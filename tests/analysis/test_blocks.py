"""Blocks that are found in the graphs of networks of all kinds."""

import itertools

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.blocks import find_blocks
from keras_resnet.analysis.graph import calls, flattened, values_of
from tests.analysis.test_graph import own_head
from tests.marks import few

KINDS = {  # with the number of identity shortcuts: all but those that widen or halve
    "basic": ("resnet18", {}, 8, 5),
    "bottleneck": ("resnet50", {}, 16, 12),
    "v2": ("resnetv2_50", {}, 16, 12),
    "SE": ("seresnet50", {}, 16, 12),
    "D": ("resnet50d", {}, 16, 12),
    "NeXt": ("resnext50_32x4d", {}, 16, 12),
    "A": ("resnet20_cifar", {"shortcut": "A"}, 9, 7),
    "C": ("resnet20_cifar", {"shortcut": "C"}, 9, 0),
    "drop path": ("resnet20_cifar", {"drop_path": 0.2}, 9, 7),
}


def network(name, options):
    return keras_resnet.create_model(name, input_shape=(32, 32, 3), classes=3, **options)


@pytest.mark.parametrize("kind", few(KINDS, "basic", "v2", "D"))
def test_blocks_of_all_kinds(kind):
    name, options, count, identities = KINDS[kind]
    model = network(name, options)
    blocks = find_blocks(model)
    assert len(blocks) == count
    assert sum(block.is_identity for block in blocks) == identities
    for block in blocks:
        assert block.sum is model.get_layer(f"{block.name}_add").output
        assert {id(block.branch), id(block.shortcut)} == set(map(id, calls_of(model, block)[0].inputs))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    block = blocks[3]
    branch, shortcut, total = values_of(model, [block.branch, block.shortcut, block.sum])(images)
    np.testing.assert_allclose(branch + shortcut, total, rtol=1e-6)


def calls_of(model, block):
    return [call for call in calls(model) if block.sum is call.outputs[0]]


def test_a_block_ends_with_its_activation():
    v1, v2 = (network(name, {}) for name in ("resnet18", "resnetv2_50"))
    for block in find_blocks(v1):
        assert block.output is v1.get_layer(f"{block.name}_out").output
    for block in find_blocks(v2):
        assert block.output is block.sum


def test_blocks_follow_one_another():
    blocks = find_blocks(network("resnet20_cifar", {}))
    for before, after in itertools.pairwise(blocks):
        assert after.entry is before.output


def test_projection_is_the_shortcut_of_a_block_that_widens():
    model = network("resnet50", {})
    block = find_blocks(model)[0]
    assert block.shortcut is model.get_layer("stage1_block1_shortcut_bn").output


@pytest.mark.parametrize("name", ["plainnet20_cifar", "plainnet18"])
def test_plain_blocks(name):
    model = network(name, {})
    blocks = find_blocks(model)
    assert len(blocks) == {"plainnet20_cifar": 9, "plainnet18": 8}[name]
    for before, after in itertools.pairwise(blocks):
        assert after.entry is before.output
    assert all(block.shortcut is None and block.branch is block.sum for block in blocks)
    assert blocks[0].output is model.get_layer("stage1_block1_out").output


def test_blocks_of_keras_applications():
    model = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=3)
    blocks = find_blocks(model)
    assert [block.name for block in blocks[:3]] == ["conv2_block1", "conv2_block2", "conv2_block3"]
    assert sum(block.is_identity for block in blocks) == 12


def test_blocks_inside_of_a_users_model():
    model = flattened(own_head(keras_resnet.ResNet20Cifar(include_top=False, pooling="avg")))
    assert len(find_blocks(model)) == 9


def test_model_without_blocks_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="net")
    with pytest.raises(ValueError, match="net has no blocks"):
        find_blocks(model)


def test_sum_of_two_inputs_is_no_block():
    inputs = [keras.Input((4, 4, 3)) for _ in range(2)]
    fused = keras.layers.Add(name="fusion")([keras.layers.Conv2D(3, 3, padding="same")(x) for x in inputs])
    total = keras.layers.Add(name="block")([fused, keras.layers.Conv2D(3, 3, padding="same")(fused)])
    [block] = find_blocks(keras.Model(inputs, total))
    assert (block.name, block.entry is fused) == ("block", True)
