"""The paper's networks against the numbers of the paper, and against their definition."""

import pytest

import keras_resnet
from keras_resnet.analysis.paper_networks import SHORTCUTS, paper_network
from keras_resnet.models.complexity import trainable_parameters, weighted_layers
from keras_resnet.variants import VARIANTS


def build(depth, shortcut):
    network = paper_network(depth, shortcut)
    return keras_resnet.create_model(network.variant, name=network.name, **network.options)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_parameters_are_those_of_table_6(depth, millions):
    plain, residual = build(depth, None), build(depth, "A")
    assert round(trainable_parameters(residual) / 1e6, 2) == millions
    assert trainable_parameters(plain) == trainable_parameters(residual)
    assert keras_resnet.multiply_adds(plain) == keras_resnet.multiply_adds(residual)


@pytest.mark.parametrize("depth", [8, 14, 26, 18])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_depth_is_the_number_of_weighted_layers(depth, shortcut):
    model = build(depth, shortcut)
    assert weighted_layers(model) == depth
    assert model.name == paper_network(depth, shortcut).name
    adds = sum(layer.name.endswith("_add") for layer in model.layers)
    assert adds == ((depth - 2) // 2 if shortcut else 0)


def test_projections_have_the_parameters_of_their_convolutions_and_normalizations():
    def projection(inputs, outputs):
        return inputs * outputs + 2 * outputs

    identity, where_it_widens, everywhere = (trainable_parameters(build(20, shortcut)) for shortcut in "ABC")
    widening = projection(16, 32) + projection(32, 64)
    assert where_it_widens - identity == widening
    others = 3 * projection(16, 16) + 2 * projection(32, 32) + 2 * projection(64, 64)
    assert everywhere - identity == widening + others


def test_networks_of_the_table_of_variants_have_its_names_and_layers():
    for depth in (20, 32, 44, 56, 110):
        for shortcut, family in ((None, "plainnet"), ("A", "resnet")):
            network = paper_network(depth, shortcut)
            assert network.name == f"{family}{depth}_cifar"
            assert {**VARIANTS[network.variant], **network.options} == VARIANTS[network.name]
    names = [paper_network(34, shortcut).name for shortcut in SHORTCUTS]
    assert names == ["resnet34_a", "resnet34", "resnet34_c", "plainnet34"]


@pytest.mark.parametrize("depth", [-4, 0, 2, 7, 21, 49, 57])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=rf"no network of {depth} layers: those for CIFAR have 6n \+ 2 layers"):
        paper_network(depth, "A")
