"""What the layers of this package are called in the weight files of others: tables of rules, and their use.

A file's tensors are known by name, as "layer1.0.conv1.weight" or "conv2_block1_1_conv/kernel". A
`Naming` tells for each layer of a model what its tensors are called there.
"""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

Tensors = dict[str, np.ndarray]
TORCH_VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
KERAS_VARIABLES = {name: name for name in TORCH_VARIABLES}


@dataclasses.dataclass(frozen=True)
class Naming:
    """How one source names its tensors.

    `rules` are pairs (pattern of a layer's name here, its name there). In the latter {s}, {b} and {i} stand for
    the stage, block and index of the pattern's groups of these names, {s0} and {b0} for one less, {s1} for
    one more, {i3} and {i4} for 3 (i - 1) and one more than that; None says that the layer has no counterpart and
    normalises nothing.
    """

    rules: tuple[tuple[str, str | None], ...]
    variables: Mapping[str, str]
    separator: str  # between the layer's and the variable's name
    epsilon: float  # of the source's batch normalization
    torch_layout: bool  # kernels are (out, in, height, width) and (out, in)

    def layer(self, name: str) -> str | None:
        """The source's name of the layer; raises KeyError where no rule matches."""
        for pattern, there in self.rules:
            if match := re.fullmatch(pattern, name):
                if there is None:
                    return None
                groups = {key: int(value) for key, value in match.groupdict().items()}
                shifted = {f"{key}0": value - 1 for key, value in groups.items()}
                shifted |= {f"{key}1": value + 1 for key, value in groups.items()}
                shifted |= {f"{key}3": 3 * (value - 1) for key, value in groups.items()}
                shifted |= {f"{key}4": 3 * (value - 1) + 1 for key, value in groups.items()}
                return there.format(name=name, **groups, **shifted)
        raise KeyError(name)

    def tensor(self, layer: str, variable: str) -> str | None:
        """The source's name of a layer's variable."""
        there = self.layer(layer)
        return None if there is None else f"{there}{self.separator}{self.variables[variable]}"


def _torch(*rules, **changes):
    settings = dict(variables=TORCH_VARIABLES, separator=".", epsilon=1e-5, torch_layout=True)
    return Naming(rules=rules, **{**settings, **changes})


def _keras(*rules, epsilon):
    return Naming(rules, KERAS_VARIABLES, "/", epsilon, torch_layout=False)


_BLOCK = r"stage(?P<s>\d+)_block(?P<b>\d+)_"
_TORCH_BLOCKS = (
    (_BLOCK + r"conv(?P<i>\d+)", "layer{s}.{b0}.conv{i}"),
    (_BLOCK + r"bn(?P<i>\d+)", "layer{s}.{b0}.bn{i}"),
    (_BLOCK + r"se_reduce", "layer{s}.{b0}.se.fc1"),
    (_BLOCK + r"se_expand", "layer{s}.{b0}.se.fc2"),
)
_TORCH_STEM = (("stem_conv", "conv1"), ("stem_bn", "bn1"))
_TORCH_SHORTCUT = (
    (_BLOCK + "shortcut_conv", "layer{s}.{b0}.downsample.0"),
    (_BLOCK + "shortcut_bn", "layer{s}.{b0}.downsample.1"),
)
NAMINGS = {
    "keras_resnet": _keras((".*", "{name}"), epsilon=1e-5),
    # torchvision, and timm's ResNet, SE-ResNet, ResNeXt, Wide ResNet and BlurPool.
    "torchvision": _torch(*_TORCH_STEM, *_TORCH_BLOCKS, *_TORCH_SHORTCUT, ("logits", "fc")),
    # timm's D and RS: a deep stem, and a pool in front of each projection.
    "timm_deep": _torch(
        (r"stem_bn3", "bn1"),
        (r"stem_conv4", "maxpool.0"),
        (r"stem_bn4", "maxpool.1"),
        (r"stem_conv(?P<i>\d)", "conv1.{i3}"),
        (r"stem_bn(?P<i>\d)", "conv1.{i4}"),
        *_TORCH_BLOCKS,
        (_BLOCK + "shortcut_conv", "layer{s}.{b0}.downsample.1"),
        (_BLOCK + "shortcut_bn", "layer{s}.{b0}.downsample.2"),
        ("logits", "fc"),
    ),
    "timm_v2": _torch(
        ("stem_conv", "stem.conv"),
        (_BLOCK + r"conv(?P<i>\d+)", "stages.{s0}.blocks.{b0}.conv{i}"),
        (_BLOCK + r"bn(?P<i>\d+)", "stages.{s0}.blocks.{b0}.norm{i}"),
        (_BLOCK + "shortcut_conv", "stages.{s0}.blocks.{b0}.downsample.conv"),
        ("head_bn", "norm"),
        ("logits", "head.fc"),
    ),
    # https://github.com/akamaster/pytorch_resnet_cifar10, and https://github.com/kuangliu/pytorch-cifar
    "akamaster": _torch(
        *_TORCH_STEM,
        *_TORCH_BLOCKS,
        (_BLOCK + "shortcut_conv", "layer{s}.{b0}.shortcut.0"),
        (_BLOCK + "shortcut_bn", "layer{s}.{b0}.shortcut.1"),
        ("logits", "linear"),
    ),
    "keras.applications": _keras(
        ("stem_conv", "conv1_conv"),
        ("stem_bn", "conv1_bn"),
        (_BLOCK + r"conv(?P<i>\d+)", "conv{s1}_block{b}_{i}_conv"),
        (_BLOCK + r"bn(?P<i>\d+)", "conv{s1}_block{b}_{i}_bn"),
        (_BLOCK + "shortcut_conv", "conv{s1}_block{b}_0_conv"),
        (_BLOCK + "shortcut_bn", "conv{s1}_block{b}_0_bn"),
        ("logits", "predictions"),
        epsilon=1.001e-5,
    ),
    # Its v2 counts the normalizations of a block from the one in front: preact, 1, 2.
    "keras.applications v2": _keras(
        ("stem_conv", "conv1_conv"),
        (_BLOCK + "bn1", "conv{s1}_block{b}_preact_bn"),
        (_BLOCK + r"bn(?P<i>\d+)", "conv{s1}_block{b}_{i0}_bn"),
        (_BLOCK + r"conv(?P<i>\d+)", "conv{s1}_block{b}_{i}_conv"),
        (_BLOCK + "shortcut_conv", "conv{s1}_block{b}_0_conv"),
        ("head_bn", "post_bn"),
        ("logits", "predictions"),
        epsilon=1.001e-5,
    ),
    # MLPerf Tiny's resnet8: layers numbered as they were made; projections without normalization.
    "mlperf_tiny": _keras(
        ("stem_conv", "conv2d"),
        ("stem_bn", "batch_normalization"),
        ("stage1_block1_conv(?P<i>.)", "conv2d_{i}"),
        ("stage1_block1_bn(?P<i>.)", "batch_normalization_{i}"),
        ("stage2_block1_conv1", "conv2d_3"),
        ("stage2_block1_conv2", "conv2d_4"),
        ("stage2_block1_shortcut_conv", "conv2d_5"),
        ("stage2_block1_bn1", "batch_normalization_3"),
        ("stage2_block1_bn2", "batch_normalization_4"),
        ("stage3_block1_conv1", "conv2d_6"),
        ("stage3_block1_conv2", "conv2d_7"),
        ("stage3_block1_shortcut_conv", "conv2d_8"),
        ("stage3_block1_bn1", "batch_normalization_5"),
        ("stage3_block1_bn2", "batch_normalization_6"),
        ("stage[23]_block1_shortcut_bn", None),
        ("logits", "dense"),
        epsilon=1e-3,
    ),
}
HEAD = "logits"


@dataclasses.dataclass(frozen=True)
class Conversion:
    """A file's tensors as a model's: `values` by (layer, variable), and what did not go over."""

    values: dict[tuple[str, str], np.ndarray]
    missing: list[str]  # names that the model needs and the file has not
    unexpected: list[str]  # names of the file that the model has no use for
    mismatched: list[str]  # "name: shape there, shape wanted"
    head_differs: bool  # the classifier is for another number of classes


def convert(model, tensors: Tensors, naming: Naming) -> Conversion:
    """The tensors under the names, in the layout and with the epsilon of the model's layers."""
    values, missing, mismatched, used = {}, [], [], set()
    layers = [layer for layer in model.layers if layer.weights]
    for layer in layers:
        for variable in layer.weights:
            value = _value(layer, variable, tensors, naming, used)
            if isinstance(value, str):
                missing.append(value)
                continue
            if value.shape != tuple(variable.shape):
                mismatched.append(f"{layer.name}/{variable.name}: {value.shape} there, {tuple(variable.shape)} wanted")
            values[layer.name, variable.name] = value
    _absorb_biases(layers, values, tensors, naming, used)
    unexpected = [name for name in tensors if name not in used and not _dispensable(name, naming)]
    of_head = [text for text in mismatched if text.startswith(f"{HEAD}/")]
    others = [text for text in mismatched if not text.startswith(f"{HEAD}/")]
    return Conversion(values, missing, unexpected, others, bool(of_head))


def _dispensable(name, naming):
    """Whether a model may do without the tensor: a counter, or the classifier (of a model without top)."""
    head = naming.layer(HEAD) + naming.separator
    return name.endswith("num_batches_tracked") or name.startswith(head)


def _value(layer, variable, tensors, naming, used):
    """The value of a variable, or the name of the tensor that is missing."""
    try:
        name = naming.tensor(layer.name, variable.name)
    except KeyError:
        return f"{layer.name}/{variable.name}"
    if name is None:
        return _identity(layer, variable, naming)
    if name not in tensors:
        return name
    used.add(name)
    value = tensors[name]
    if naming.torch_layout and variable.name == "kernel":
        value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        value = value.reshape(value.shape[2:]) if len(variable.shape) == 2 and value.ndim == 4 else value
    if variable.name == "moving_variance":
        value = value + np.float32(naming.epsilon - layer.epsilon)
    return value


def _identity(layer, variable, naming):
    """Batch normalization that changes nothing (but for a bias that it will take in)."""
    values = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1 - layer.epsilon}
    return np.full(variable.shape, values[variable.name], "float32")


def _absorb_biases(layers, values, tensors, naming, used):
    """Subtracts a convolution's bias that the model has no variable for from the mean that follows it."""
    known = {layer.name for layer in layers}
    for layer in layers:
        norm = layer.name.replace("_conv", "_bn")
        if norm == layer.name or norm not in known or (layer.name, "bias") in values:
            continue
        try:
            bias = naming.tensor(layer.name, "bias")
        except KeyError:
            continue
        mean = values.get((norm, "moving_mean"))
        if bias in tensors and mean is not None and mean.shape == tensors[bias].shape:
            values[norm, "moving_mean"] = mean - tensors[bias]
            used.add(bias)
