"""What docs/differences.md states about defaults and recipes."""

import re

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.evaluation.protocols import SCALES
from keras_resnet.models.style import he_initializer
from keras_resnet.training.schedules import needs_warmup
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "differences.md").read_text(encoding="utf-8")
IMAGENET, CIFAR = keras_resnet.get_recipe("he2015"), keras_resnet.get_recipe("cifar_he2015")


def layers(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def shallow(name, **options):
    """A variant with one block for each stage, which is quick to build."""
    return keras_resnet.create_model(name, depths=(1, 1, 1) if "cifar" in name else (1, 1, 1, 1), **options)


def test_notes_are_numbered_in_order():
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_links_and_code_name_what_exists():
    for name in re.findall(r"`keras_resnet\.(\w+)", PAGE):
        assert name in dir(keras_resnet)
    variants = re.findall(r"`((?:resnet|resnetv2_)\d\w*)`", PAGE)
    assert variants
    assert set(variants) <= set(keras_resnet.VARIANTS)
    notes = re.sub(r"`keras-resnet [^`]*`", "", PAGE)  # tests/commands/test_documentation.py parses the commands
    flags = re.findall(r"--(\w+)=", notes)
    assert set(flags) <= {*vars(CIFAR), "recalibrate_batchnorm", "protocol"}


@pytest.mark.parametrize(
    ("name", "options", "strided"),
    [
        ("resnet50", {}, (3, 3)),
        ("resnet50_v1", {}, (1, 1)),
        ("resnet50", {"stride_in": "1x1"}, (1, 1)),
        ("resnetv2_164_cifar", {}, (3, 3)),
        ("resnetv2_164_cifar", {"stride_in": "1x1"}, (1, 1)),
    ],
)
def test_position_of_the_stride(name, options, strided):
    model = shallow(name, **options)
    found = {
        layer.kernel_size
        for layer in layers(model, keras.layers.Conv2D)
        if layer.strides == (2, 2) and layer.name.startswith("stage") and "shortcut" not in layer.name
    }
    assert found == {strided}


def test_network_of_the_defaults():
    model = shallow("resnet18")
    assert not any(conv.use_bias for conv in layers(model, keras.layers.Conv2D))
    assert model.get_layer("logits").use_bias
    norms = layers(model, keras.layers.BatchNormalization)
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}
    assert min(float(np.min(norm.gamma)) for norm in norms) == 1
    zeroed = layers(shallow("resnet18", zero_init_residual=True), keras.layers.BatchNormalization)
    assert sum(float(np.max(norm.gamma)) == 0 for norm in zeroed) == 4  # the last of each block


def test_initialization_counts_incoming_connections_and_is_not_truncated():
    weights = np.asarray(he_initializer()((3, 3, 64, 512)))
    np.testing.assert_allclose(weights.var(), 2 / (9 * 64), rtol=0.02)
    assert np.abs(weights).max() > 3.5 * weights.std()  # a truncated one ends at 2.3 of its standard deviation


@pytest.mark.parametrize(("shortcut", "projections"), [("A", 0), ("B", 3), ("C", 4)])
def test_shortcuts(shortcut, projections):
    model = shallow("resnet18", shortcut=shortcut)
    assert sum("shortcut_conv" in layer.name for layer in model.layers) == projections
    assert (model.count_params() == shallow("resnet18").count_params()) == (shortcut == "B")


def test_options_of_the_cifar_nets():
    model = keras_resnet.ResNet20Cifar()
    assert len(layers(model, keras_resnet.layers.ZeroPaddedShortcut)) == 2
    padded = np.asarray(keras_resnet.layers.ZeroPaddedShortcut(8)(np.ones((1, 2, 2, 4))))
    assert padded[0, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "activated"), [("resnetv2_18", False), ("resnetv2_110_cifar", False), ("resnetv2_164_cifar", True)]
)
def test_shortcut_of_the_first_preactivated_block(name, activated):
    model = shallow(name)
    projects = "stage1_block1_shortcut_conv" in {layer.name for layer in model.layers}
    if projects:
        source = model.get_layer("stage1_block1_shortcut_conv").input
    else:
        source = model.get_layer("stage1_block1_add").input[0]
    before = source._keras_history.operation.name
    assert (projects, "relu" in before) == (activated, activated)


def test_recipe_for_imagenet():
    assert (IMAGENET.batch_size, IMAGENET.learning_rate, IMAGENET.momentum, IMAGENET.nesterov) == (256, 0.1, 0.9, False)
    assert (IMAGENET.weight_decay, IMAGENET.decayed_weights, IMAGENET.momentum_form) == (1e-4, "all", "keras")
    assert (IMAGENET.schedule, IMAGENET.plateau_patience, IMAGENET.epochs) == ("plateau", 5, 120)
    assert IMAGENET.epochs * (1_281_167 // 256 + 1) == 600_600
    assert (IMAGENET.crop, IMAGENET.flip, IMAGENET.pca_lighting) == ("scale_jitter", True, 0.1)
    np.testing.assert_allclose(np.array(IMAGENET.scale_jitter) * 224, [256, 480])
    assert (IMAGENET.per_pixel_mean, IMAGENET.validation_fraction, IMAGENET.crop_fraction) == (True, 0.1, 0.875)


def test_recipe_for_cifar():
    steps = -(-45_000 // CIFAR.batch_size)
    assert (CIFAR.batch_size, steps, round(CIFAR.epochs * steps)) == (128, 352, 64_000)
    assert [round(each * 64_000) for each in CIFAR.milestones] == [32_000, 48_000]
    assert (CIFAR.learning_rate, CIFAR.weight_decay, CIFAR.momentum, CIFAR.nesterov) == (0.1, 1e-4, 0.9, False)
    assert (CIFAR.pad, CIFAR.flip, CIFAR.per_pixel_mean, CIFAR.validation_fraction) == (4, True, True, 0.1)
    warm_up = (CIFAR.warmup_learning_rate, CIFAR.warmup_until_error, CIFAR.warmup_min_layers)
    assert warm_up == (0.01, 0.8, 110)
    all_images = float(re.search(r"--validation_fraction=0 --epochs=([\d.]+)", PAGE).group(1))
    assert round(all_images * -(-50_000 // CIFAR.batch_size)) == 64_000


@pytest.mark.slow
def test_deep_nets_warm_up_and_shallow_ones_do_not():
    assert needs_warmup(keras_resnet.create_model("resnet110_cifar"), CIFAR)
    assert not needs_warmup(keras_resnet.create_model("resnet56_cifar"), CIFAR)


def test_later_recipes_as_the_notes_name_them():
    zeroed = {name for name, recipe in keras_resnet.RECIPES.items() if recipe.zero_init_residual}
    assert zeroed == {"goyal2017", "bag_of_tricks", "resnet_rs"}
    pixels = {name for name, recipe in keras_resnet.RECIPES.items() if recipe.per_pixel_mean}
    assert {"he2015", "cifar_he2015"} <= pixels


def test_scales_of_tests():
    assert [round(scale * 224) for scale in SCALES] == [224, 256, 384, 480, 640]


@pytest.mark.slow
def test_operations():
    counts = [keras_resnet.multiply_adds(keras_resnet.create_model(name)) for name in ("resnet50_v1", "resnet50")]
    assert [f"{count / 1e9:.2f}e9" for count in counts] == ["3.86e9", "4.09e9"]
    assert all(f"{count / 1e9:.2f}e9" in PAGE for count in counts)
