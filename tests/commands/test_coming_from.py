"""The examples of docs/coming-from.md: both sides run as they stand, and give the same results.

A peer that is not installed skips its test. keras.applications is always there.
"""

import re

import keras
import numpy as np
import pytest

import keras_resnet
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "coming-from.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PEERS = {  # the modules that a section's code imports
    "keras.applications": ("keras.applications",),
    "torchvision": ("torch", "torchvision"),
    "timm": ("torch", "timm"),
    "KerasHub": ("keras_hub",),
}
SIDE = re.compile(r"^(Before|After)\b.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code(section, side):
    """All code of one side of a section, in the order of the page."""
    return "\n".join(block for found, block in SIDE.findall(SECTIONS[section]) if found == side)


def run(section, side):
    """The names that one side of a section defines."""
    names = {}
    exec(compile(code(section, side), f"docs/coming-from.md, {section}, {side}", "exec"), names)
    return names


def array(tensor):
    """A tensor of Keras or PyTorch as an array; PyTorch's feature maps with the channels last, as Keras's."""
    if isinstance(tensor, np.ndarray):
        return tensor
    if hasattr(tensor, "detach"):
        values = tensor.detach().numpy()
        return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
    return keras.ops.convert_to_numpy(tensor)


def shapes(maps):
    return [array(each).shape for each in (maps.values() if isinstance(maps, dict) else maps)]


def kernels(model):
    """The sizes of the kernels that train; not those of biases and normalizations, which not every peer has."""
    if isinstance(model, keras.Model):
        shapes = [variable.shape for variable in model.trainable_variables]
    else:
        shapes = [tuple(parameter.shape) for parameter in model.parameters() if parameter.requires_grad]
    return sorted(int(np.prod(shape)) for shape in shapes if len(shape) > 1)


def convs_of(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def test_page_has_each_peer_and_pairs_of_examples():
    assert list(SECTIONS) == list(PEERS)
    for section, text in SECTIONS.items():
        sides = [side for side, _ in SIDE.findall(text)]
        assert sides == ["Before", "After"] * 3, section
        assert text.count("```python") == len(sides)


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS)
def test_both_sides_give_the_same(peer, tmp_path, monkeypatch):
    for module in PEERS[peer]:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    before, after = run(peer, "Before"), run(peer, "After")
    np.testing.assert_array_equal(before["images"], after["images"])
    if peer == "KerasHub":  # its files are not read, so the weights differ
        assert array(before["logits"]).shape == after["logits"].shape == (2, 5)
        np.testing.assert_allclose(array(before["normalized"]), array(after["normalized"]), atol=1e-5)
    else:
        expected = array(before["logits"])
        assert np.ptp(expected) > 1e-3  # else the same logits would prove nothing
        np.testing.assert_allclose(after["logits"], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert shapes(before["maps"]) == shapes(after["maps"])
    assert kernels(before["model"]) == kernels(after["model"])
    assert 0 < len(kernels(after["model"])) < len([v for v in after["model"].variables if len(v.shape) > 1])


def test_defaults_of_keras_applications_are_as_the_table_says():
    theirs = keras.applications.ResNet50(weights=None, include_top=False)
    ours = keras_resnet.ResNet50V1(include_top=False)
    found = {}
    for name, model in (("theirs", theirs), ("ours", ours)):
        norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        found[name] = (
            {(layer.momentum, layer.epsilon) for layer in norms},
            {layer.use_bias for layer in convs_of(model)},
            {type(layer.kernel_initializer).__name__ for layer in convs_of(model)},
        )
    assert found["theirs"] == ({(0.99, 1.001e-5)}, {True}, {"GlorotUniform"})
    assert found["ours"] == ({(0.9, 1e-5)}, {False}, {"VarianceScaling"})
    strided = {layer.kernel_size for layer in convs_of(theirs) if layer.strides == (2, 2)}
    assert strided == {(7, 7), (1, 1)}  # the stem, and the first convolution of a block
    same = keras_resnet.ResNet50V2(include_top=False, layout="keras_v2")
    assert same.count_params() == keras.applications.ResNet50V2(weights=None, include_top=False).count_params()


def test_names_in_the_tables_exist():
    for row in re.findall(r"^\|.*\|$", PAGE, re.MULTILINE):
        ours = row.rstrip("|").rpartition("|")[2]
        for name in re.findall(r"`(?:keras_resnet\.)?([A-Z][A-Za-z]+\d\w*|\w+(?=\())", ours):
            assert name in dir(keras_resnet), row
        for weights in re.findall(r'weights="((?:timm|torchvision)/\S+?)"', ours):
            assert keras_resnet.find_weights("resnet50", weights)
    assert keras_resnet.find_weights("resnet50_v1", "keras")
