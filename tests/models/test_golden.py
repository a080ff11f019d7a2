"""The same weights give the same logits as in timm, torchvision and keras.applications.

tests/golden/record.py recorded the peers' answers; here their weights are drawn again, under the peers' names,
translated by the package's rules, and run.
"""

import json
import pathlib
import re

import keras
import numpy as np
import pytest

from keras_resnet import create_model
from keras_resnet.weights.conversion import NAMINGS, convert
from tests.golden.draw import draw, fingerprint, image

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "logits.json").read_text(encoding="utf-8"))
LARGE = 60e6  # parameters from which on a net is one more case of those that are smaller

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
    if peer["name"].startswith("resnetv2"):
        return NAMINGS["timm_v2"]
    deep = re.fullmatch(r"resnet\d+d|resnetrs\d+", peer["name"])
    return NAMINGS["timm_deep" if deep else "torchvision"]


def build(peer):
    """This package's model for the peer's images."""
    name, options = KERAS.get(peer["name"], (peer["name"], {}))
    if peer["source"] == "keras.applications":
        options = {**options, "include_preprocessing": False}
    return create_model(
        name, input_shape=image().shape[1:], classes=10, classifier_activation=None, **options, **peer["options"]
    )


def peers_shapes(model, naming):
    """The tensors of the peer, by the rules read backwards: name and shape in the peer's layout."""
    shapes = {}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            name = naming.tensor(layer.name, variable.name)
            if naming.torch_layout and variable.name == "kernel":
                shape = shape[::-1] if len(shape) == 2 else (shape[3], shape[2], shape[0], shape[1])
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


def parametrized():
    for peer in GOLDEN["peers"]:
        if is_twin(peer):
            continue
        large = peer["parameters"] > LARGE or "152" in peer["name"] or "200" in peer["name"]
        yield pytest.param(peer, id=ids(peer), marks=pytest.mark.exhaustive if large else ())


@pytest.mark.parametrize("peer", list(parametrized()))
def test_logits_are_the_peers(peer):
    keras.backend.clear_session()
    model, naming = build(peer), naming_of(peer)
    shapes = peers_shapes(model, naming)
    assert fingerprint(shapes) == peer["fingerprint"]  # every tensor of the peer, and no other
    assert len(shapes) == peer["tensors"]
    if peer["source"] != "keras.applications":  # whose v1 has biases that are absorbed here
        assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == peer["parameters"]

    conversion = convert(model, {name: draw(name, shape) for name, shape in shapes.items()}, naming)
    assert (conversion.missing, conversion.unexpected, conversion.mismatched) == ([], [], [])
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(conversion.values[layer.name, variable.name])
    logits, expected = model(image(), training=False).numpy(), np.array(peer["logits"])
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()
