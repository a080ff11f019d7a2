"""The same weights give the same logits as in timm, torchvision and keras.applications.

tests/golden/record.py recorded the peers' answers; here their weights are drawn again, under the peers' names,
translated by the package's rules, and run.
"""

import json
import os
import pathlib
from collections.abc import Mapping

import keras
import numpy as np
import pytest

from keras_resnet import VARIANTS, create_model
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from keras_resnet.weights.conversion import NAMINGS, convert
from tests.golden.combinations import COMBINATIONS
from tests.golden.draw import draw, fingerprint, image
from tests.golden.naming import timm_naming

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "logits.json").read_text(encoding="utf-8"))
# One net of each idea; all others, and the deep and wide ones, are further cases of the same code.
QUICK = {
    "test_resnet",
    "resnet10t",
    "resnet18",
    "resnet50",
    "resnet50d",
    "resnet50_gn",
    "ResNet50",
    "ResNet50V2",
    "seresnet50",
    "seresnext26d_32x4d",
    "ecaresnet26t",
    "resnetaa34d",
    "resnetv2_50",
    "resnetv2_50x1_bit",
}
QUICK_WITH_OPTIONS = {"resnet18", "resnet26", "resnet34"}

KERAS_V2 = dict(layout="keras_v2")
KERAS = {
    "ResNet50": ("resnet50_v1", {}),
    "ResNet101": ("resnet101_v1", {}),
    "ResNet152": ("resnet152_v1", {}),
    "ResNet50V2": ("resnetv2_50", KERAS_V2),
    "ResNet101V2": ("resnetv2_101", KERAS_V2),
    "ResNet152V2": ("resnetv2_152", KERAS_V2),
}


def naming_of(peer):
    if peer["source"] == "keras.applications":
        return NAMINGS["keras.applications v2" if peer["name"].endswith("V2") else "keras.applications"]
    return NAMINGS[timm_naming({**VARIANTS[peer["name"]], **own_options(peer)})]


def own_options(peer):
    """This package's options for the peer's; {} for a peer of pretrained.json, which has none."""
    theirs = peer.get("options", {})
    own = [own for name, options, own in COMBINATIONS if (name, options) == (peer["name"], theirs)]
    return own[0] if own else theirs


def precision_of(peer):
    """Standardized weights amplify what float32 rounds to 1e-5 of the logits: such nets are compared in float64."""
    return "float64" if "_bit" in peer["name"] else "float32"


def build(peer):
    """This package's model for the peer's images: normalized ones for keras.applications, and in float64."""
    name, options = KERAS.get(peer["name"], (peer["name"], {}))
    precision = precision_of(peer)
    with_preprocessing = peer["source"] != "keras.applications" and precision == "float32"
    keras.config.set_dtype_policy(precision)
    try:
        return create_model(
            name,
            input_tensor=keras.Input(image().shape[1:], dtype=precision),
            include_preprocessing=with_preprocessing,
            classes=10,
            classifier_activation=None,
            **options,
            **own_options(peer),
        )
    finally:
        keras.config.set_dtype_policy("float32")


def images_for(peer):
    if precision_of(peer) == "float32":
        return image()
    return (image().astype("float64") - IMAGENET_MEAN) / IMAGENET_STD


class Drawn(Mapping):
    """Tensors by name, each drawn when it is asked for, since the largest net has 4 GB of them."""

    def __init__(self, shapes):
        self.shapes = shapes

    def __getitem__(self, name):
        return draw(name, self.shapes[name])

    def __contains__(self, name):
        return name in self.shapes

    def __iter__(self):
        return iter(self.shapes)

    def __len__(self):
        return len(self.shapes)


def peers_shapes(model, naming):
    """The tensors of the peer, by the rules read backwards: name and shape in the peer's layout."""
    shapes = {}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            name = naming.tensor(layer.name, variable.name)
            if naming.torch_layout and variable.name == "kernel":
                shape = shape[::-1] if len(shape) < 4 else (shape[3], shape[2], shape[0], shape[1])
                shape = (*shape, 1, 1) if name == "head.fc.weight" else shape
            shapes[name] = shape
            v1_of_keras = naming is NAMINGS["keras.applications"]
            if v1_of_keras and variable.name == "kernel" and layer.name != "logits":  # biases that v1 absorbs
                shapes[naming.tensor(layer.name, "bias")] = shape[-1:]
    return shapes


def ids(peer):
    return "-".join([peer["source"], peer["name"], *map(str, peer["options"].values())])


def is_twin(peer):
    """Whether timm, under the same names, gave the very same logits to the last digit: it is run once."""
    same = ("name", "options", "fingerprint", "logits")
    return peer["source"] == "torchvision" and any(
        other["source"] == "timm" and all(other[key] == peer[key] for key in same) for other in GOLDEN["peers"]
    )


def test_torchvisions_models_are_timms():
    assert sum(is_twin(peer) for peer in GOLDEN["peers"]) == 10


def test_all_resnets_of_timm_are_here_but_those_left_out():
    """timm 1.0.31: `list_models(module="resnet")` has 81 names, and "resnetv2" 20."""
    names = {peer["name"] for peer in GOLDEN["peers"] if peer["source"] == "timm"}
    assert names <= set(VARIANTS)
    assert (len(names), len(GOLDEN["left_out"])) == (97, 4)
    assert not set(GOLDEN["left_out"]) & set(VARIANTS)


def parametrized():
    for peer in GOLDEN["peers"]:
        if is_twin(peer):
            continue
        quick = peer["name"] in (QUICK_WITH_OPTIONS if peer["options"] else QUICK)
        yield pytest.param(peer, id=ids(peer), marks=() if quick else pytest.mark.exhaustive)


@pytest.mark.parametrize("peer", list(parametrized()))
def test_logits_are_the_peers(peer):
    keras.backend.clear_session()
    needed = peer["parameters"] * (12 if precision_of(peer) == "float64" else 8)  # the values, and the variables
    if needed > 0.7 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        pytest.skip(f"needs {needed / 1e9:.0f} GB of free memory")
    model, naming = build(peer), naming_of(peer)
    shapes = peers_shapes(model, naming)
    assert fingerprint(shapes) == peer["fingerprint"]  # every tensor of the peer, and no other
    assert len(shapes) == peer["tensors"]
    if peer["source"] != "keras.applications":  # whose v1 has biases that are absorbed here
        assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == peer["parameters"]

    conversion = convert(model, Drawn(shapes), naming)
    assert (conversion.missing, conversion.unexpected, conversion.mismatched) == ([], [], [])
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(conversion.values[layer.name, variable.name])
    logits, expected = model(images_for(peer), training=False).numpy(), np.array(peer["logits"])
    assert np.abs(logits - expected).max() < 1e-5 * np.abs(expected).max()
