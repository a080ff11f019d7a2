"""Blocks removed, swapped and shuffled, against networks that are built that way."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.analysis.chain import Chain
from keras_resnet.analysis.lesions import Lesion, score_lesions, standard_lesions
from keras_resnet.analysis.scores import score, scorer
from tests.analysis.networks import applications_resnet50, check_differ, check_near, copy_weights, network, noise
from tests.analysis.test_graph import own_head
from tests.marks import few

ALL = tuple(range(5))  # the blocks of a small network


def outputs(chain, images, order=ALL, removed=()):
    [found] = chain.outputs(tf.constant(images), [(order, removed)])
    return np.asarray(found)


@pytest.mark.parametrize("kind", ["basic", "v2", "C", "drop path", "plain"])
def test_chain_without_a_lesion_is_the_network(kind):
    model, images = network(kind), noise().images
    check_near(outputs(Chain(model), images), model(images))


@pytest.mark.parametrize(
    "kind", few(["bottleneck", "v2", "SE", "A", "C", "D", "NeXt", "drop path"], "v2", "SE", "A", "D")
)
def test_removal_of_branches_that_are_zero_changes_nothing(kind):
    model, images = network(kind, zero_init_residual=True), noise().images
    chain = Chain(model)
    assert chain.removable == [*ALL]
    intact = outputs(chain, images)
    for removed in ([0], [2], [4], [1, 3], [*ALL]):
        np.testing.assert_array_equal(outputs(chain, images, removed=removed), intact)


@pytest.mark.parametrize(
    "kind", few(["basic", "bottleneck", "v2", "SE", "D", "NeXt", "A", "plain"], "basic", "v2", "SE", "plain")
)
def test_removed_block_equals_the_network_built_without_it(kind):
    model, images = network(kind), noise().images
    smaller = network(kind, depths=(2, 2))
    chain = Chain(model)
    for number, names in ((4, {}), (3, {"stage2_block2": "stage2_block3"})):
        copy_weights(model, smaller, names)
        found = outputs(chain, images, removed=[number])
        check_near(found, smaller(images))
        check_differ(found, model(images))


@pytest.mark.parametrize("kind", few(["basic", "SE", "A", "C", "D"], "basic", "A", "C"))
def test_removed_branch_of_a_block_that_widens_leaves_the_projection(kind):
    model, images = network(kind), noise().images
    found = outputs(Chain(model), images, removed=[2])
    last = "stage2_block1_bn3" if kind == "D" else "stage2_block1_bn2"
    for weight in (model.get_layer(last).gamma, model.get_layer(last).beta):
        weight.assign(tf.zeros_like(weight))
    check_near(found, model(images))


@pytest.mark.parametrize("kind", few(["basic", "v2", "SE", "plain"], "basic", "plain"))
def test_swapped_blocks_equal_the_network_with_their_weights_exchanged(kind):
    model, images = network(kind), noise().images
    exchanged = network(kind)
    copy_weights(model, exchanged, {"stage2_block2": "stage2_block3", "stage2_block3": "stage2_block2"})
    found = outputs(Chain(model), images, order=(0, 1, 2, 4, 3))
    check_near(found, exchanged(images))
    check_differ(found, model(images))


def test_plain_block_that_changes_the_shape_is_left_out():
    chain = Chain(network("plain"))
    assert chain.removable == [0, 1, 3, 4]
    assert chain.alike == [[0, 1], [3, 4]]
    lesions = standard_lesions(chain)
    assert not any(2 in lesion.changed for lesion in lesions)


@pytest.mark.exhaustive
def test_removal_in_keras_applications():
    model, images = applications_resnet50(), noise(2, size=32).images
    chain = Chain(model)
    assert len(chain.links) == 16
    found = outputs(chain, images, tuple(range(16)), [0, 5])
    for name in ("conv2_block1_3_bn", "conv3_block3_3_bn"):
        for weight in (model.get_layer(name).gamma, model.get_layer(name).beta):
            weight.assign(tf.zeros_like(weight))
    check_near(found, model(images))


def test_chain_of_a_users_model():
    base = network("basic", include_top=False, pooling="avg")
    model, images = own_head(base), noise().images
    chain = Chain(model)
    check_near(outputs(chain, images), model(images))
    check_differ(outputs(chain, images, removed=[1]), model(images))


def test_measuring_leaves_the_model_as_it_is():
    model = network("basic")
    before = [np.array(weight) for weight in model.weights]
    chain = Chain(model)
    score_lesions(chain, noise(), standard_lesions(chain, draws=1))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert all(len(layer._inbound_nodes) == 1 for layer in model.layers)  # so that layer.output is defined


def test_standard_lesions():
    lesions = standard_lesions(Chain(network("basic")), draws=2)
    kinds = [lesion.kind for lesion in lesions]
    assert [kinds.count(kind) for kind in ("none", "removal", "swap")] == [1, 5, 2]
    assert [lesion.count for lesion in lesions if lesion.kind == "removals"] == [2, 2, 3, 3, 4, 4, 5]
    assert [lesion.changed for lesion in lesions if lesion.kind == "swap"] == [[1, 0], [4, 3]]
    for lesion in lesions:
        assert sorted(lesion.order) == [*ALL]
        assert len(lesion.removed) == (lesion.count if lesion.kind.startswith("removal") else 0)
        if lesion.kind == "shuffle":
            assert {*lesion.order[:2]} == {0, 1}
            assert lesion.order[2] == 2
    assert lesions == standard_lesions(Chain(network("basic")), draws=2)
    assert lesions != standard_lesions(Chain(network("basic")), draws=2, seed=1)


def test_scores_of_lesions():
    model, images = network("basic"), noise(150)  # two batches
    chain = Chain(model)
    lesions = [Lesion("none", 0, ALL), Lesion("removal", 1, ALL, frozenset([1])), Lesion("swap", 1, (0, 1, 2, 4, 3))]
    scores = score_lesions(chain, images, lesions)
    assert scores[0].loss == pytest.approx(scorer(model, images)().loss, rel=1e-5)
    for lesion, found in zip(lesions, scores, strict=True):
        expected = score(model, outputs(chain, images.images, lesion.order, lesion.removed), images.labels)
        assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_blocks_that_do_not_follow_one_another_are_refused():
    image = keras.Input((8, 8, 4))
    first = keras.layers.Add(name="first")([image, keras.layers.Conv2D(4, 3, padding="same")(image)])
    second = keras.layers.Add(name="second")([first, keras.layers.Conv2D(4, 3, padding="same")(first)])
    around = keras.layers.Concatenate()([image, second])
    model = keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalMaxPooling2D()(around)), name="net")
    with pytest.raises(ValueError, match=r"The blocks of net do not follow one another\."):
        Chain(model)


def test_model_without_a_classifier_is_refused():
    with pytest.raises(ValueError, match="has no classifier"):
        Chain(keras_resnet.ResNet20Cifar(include_top=False))
