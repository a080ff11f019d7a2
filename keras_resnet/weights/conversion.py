"""Conversion of a weight file's tensors to a model's variables.

A file identifies tensors by name, such as "layer1.0.conv1.weight" or "conv2_block1_1_conv/kernel". A
`Naming` maps a model's layers and variables to the names that a source of weights uses.
"""

import dataclasses
import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_resnet.weights.formats import Tensors
from keras_resnet.weights.hdf5 import NORMALIZATION

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
    """How a source names its tensors.

    `rules` are pairs: a pattern of a layer's name in this package, and the layer's name in the source. The latter may
    contain the pattern's groups s (stage), b (block) and i (index) as {s}, {b} and {i}; {s0}, {b0} and {i0} are one
    less, {s1}, {b1} and {i1} one more, {i3} is 3 (i - 1) and {i4} one more than that. None stands for a batch
    normalization that the source does not have; it becomes the identity.
    """

    rules: tuple[tuple[str, str | None], ...]
    variables: Mapping[str, str]
    separator: str  # between the names of layer and variable
    epsilon: float  # of the source's batch normalization
    torch_layout: bool  # kernels have the shapes (out, in, height, width) and (out, in)

    def layer(self, name: str) -> str | None:
        """The source's name of a layer.

        Raises:
            KeyError: no rule matches.
        """
        for pattern, source_name in self.rules:
            if match := re.fullmatch(pattern, name):
                if source_name is None:
                    return None
                groups = {key: int(value) for key, value in match.groupdict().items()}
                shifted = {f"{key}0": value - 1 for key, value in groups.items()}
                shifted |= {f"{key}1": value + 1 for key, value in groups.items()}
                shifted |= {f"{key}3": 3 * (value - 1) for key, value in groups.items()}
                shifted |= {f"{key}4": 3 * (value - 1) + 1 for key, value in groups.items()}
                return source_name.format(name=name, **groups, **shifted)
        raise KeyError(name)

    def tensor(self, layer: str, variable: str) -> str | None:
        """The source's name of a layer's variable; raises KeyError as `layer` does."""
        source_name = self.layer(layer)
        return None if source_name is None else f"{source_name}{self.separator}{self.variables[variable]}"


def _torch(*rules: tuple[str, str | None]) -> Naming:
    return Naming(rules, TORCH_VARIABLES, ".", epsilon=1e-5, torch_layout=True)


def _keras(*rules: tuple[str, str | None], epsilon: float) -> Naming:
    return Naming(rules, KERAS_VARIABLES, "/", epsilon, torch_layout=False)


_BLOCK = r"stage(?P<s>\d+)_block(?P<b>\d+)_"
_TORCH_BLOCKS = (
    (_BLOCK + r"conv(?P<i>\d+)", "layer{s}.{b0}.conv{i}"),
    (_BLOCK + r"[bg]n(?P<i>\d+)", "layer{s}.{b0}.bn{i}"),
    (_BLOCK + r"se_reduce", "layer{s}.{b0}.se.fc1"),
    (_BLOCK + r"se_expand", "layer{s}.{b0}.se.fc2"),
    (_BLOCK + r"eca_conv", "layer{s}.{b0}.se.conv"),
)
_TORCH_STEM = (("stem_conv", "conv1"), ("stem_[bg]n", "bn1"))
_DEEP_STEM = (
    (r"stem_[bg]n3", "bn1"),
    (r"stem_conv4", "maxpool.0"),
    (r"stem_[bg]n4", "maxpool.1"),
    (r"stem_conv(?P<i>\d)", "conv1.{i3}"),
    (r"stem_[bg]n(?P<i>\d)", "conv1.{i4}"),
)
_TORCH_SHORTCUT = (
    (_BLOCK + "shortcut_conv", "layer{s}.{b0}.downsample.0"),
    (_BLOCK + "shortcut_[bg]n", "layer{s}.{b0}.downsample.1"),
)
_POOLED_SHORTCUT = (
    (_BLOCK + "shortcut_conv", "layer{s}.{b0}.downsample.1"),
    (_BLOCK + "shortcut_[bg]n", "layer{s}.{b0}.downsample.2"),
)
NAMINGS = {
    "keras_resnet": _keras((".*", "{name}"), epsilon=1e-5),
    # torchvision, and timm's nets with the paper's stem and shortcuts.
    "torchvision": _torch(*_TORCH_STEM, *_TORCH_BLOCKS, *_TORCH_SHORTCUT, ("logits", "fc")),
    # timm's others: a deep stem (ResNet-C, -S), pooling before each projection, or both (ResNet-D, -T, -RS).
    "timm_deep_stem": _torch(*_DEEP_STEM, *_TORCH_BLOCKS, *_TORCH_SHORTCUT, ("logits", "fc")),
    "timm_pooled": _torch(*_TORCH_STEM, *_TORCH_BLOCKS, *_POOLED_SHORTCUT, ("logits", "fc")),
    "timm_deep": _torch(*_DEEP_STEM, *_TORCH_BLOCKS, *_POOLED_SHORTCUT, ("logits", "fc")),
    "timm_v2": _torch(
        ("stem_conv", "stem.conv"),
        (r"stem_conv(?P<i>\d)", "stem.conv{i}"),
        (r"stem_[bg]n(?P<i>\d)", "stem.norm{i}"),
        (_BLOCK + r"conv(?P<i>\d+)", "stages.{s0}.blocks.{b0}.conv{i}"),
        (_BLOCK + r"[bg]n(?P<i>\d+)", "stages.{s0}.blocks.{b0}.norm{i}"),
        (_BLOCK + "shortcut_conv", "stages.{s0}.blocks.{b0}.downsample.conv"),
        ("head_[bg]n", "norm"),
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
    # Its v2 numbers the normalizations of a block preact, 1, 2.
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
    # MLPerf Tiny's resnet8: layers numbered in order of creation; projections without normalization.
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
    """The tensors of a file as values for a model's variables, and those that do not match.

    Attributes:
        values: by (layer, variable).
        missing: names of tensors that the model needs and the file lacks.
        unexpected: names of tensors that the model has no variable for.
        mismatched: "layer/variable: (shape) in the file, (shape) in the model"; without the classifier.
        head_differs: whether the classifier is for another number of classes.
        normalization: mean and std of the input, each (channels,) or (H, W, channels), if the file contains them.
    """

    values: dict[tuple[str, str], np.ndarray]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]
    head_differs: bool
    normalization: tuple[np.ndarray, np.ndarray] | None = None


def convert(model: keras.Model, tensors: Tensors, naming: Naming) -> Conversion:
    """Converts tensors to a model's names, layouts and batch-normalization epsilons."""
    values: dict[tuple[str, str], np.ndarray] = {}
    missing, used = [], set()
    for layer, variable in _variables(model):
        try:
            name = naming.tensor(layer.name, variable.name)
        except KeyError:  # the source has no such layer
            missing.append(f"{layer.name}/{variable.name}")
            continue
        if name is None:
            values[layer.name, variable.name] = _identity(layer, variable)
        elif name in tensors:
            values[layer.name, variable.name] = _value(tensors[name], layer, variable, naming)
            used.add(name)
        else:
            missing.append(name)
    used |= _absorb_biases(model, values, tensors, naming)
    normalization = None
    if all(name in tensors for name in NORMALIZATION):
        normalization = tensors[NORMALIZATION[0]], tensors[NORMALIZATION[1]]
        used.update(NORMALIZATION)
    unexpected = [name for name in tensors if name not in used and not _is_optional(name, naming)]
    mismatches = _mismatches(model, values)
    mismatched = [text for layer, text in mismatches if layer != HEAD]
    head_differs = any(layer == HEAD for layer, _ in mismatches)
    return Conversion(values, missing, unexpected, mismatched, head_differs, normalization)


def _variables(model: keras.Model) -> list[tuple[keras.layers.Layer, keras.Variable]]:
    return [(layer, variable) for layer in model.layers for variable in layer.weights]


def _is_optional(name: str, naming: Naming) -> bool:
    """Whether a model may ignore the tensor: a counter, or the classifier for a model without one."""
    is_counter = name.endswith("num_batches_tracked") or name == "n_averaged"  # of PyTorch's AveragedModel
    return is_counter or name.startswith(f"{naming.layer(HEAD)}{naming.separator}")


def _value(tensor: np.ndarray, layer: keras.layers.Layer, variable: keras.Variable, naming: Naming) -> np.ndarray:
    """A tensor in the layout of a variable, a variance adjusted to the layer's epsilon."""
    if naming.torch_layout and variable.name == "kernel":
        tensor = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T  # 3: along the channels (ECA)
        if (
            tensor.shape[:2] == (1, 1) and tensor.ndim == 4 and len(variable.shape) == 2
        ):  # a 1x1 convolution as a fully connected layer
            tensor = tensor.reshape(tensor.shape[2:])
    if variable.name == "moving_variance":
        tensor = tensor + np.float32(naming.epsilon - layer.epsilon)
    return tensor


def _identity(layer: keras.layers.Layer, variable: keras.Variable) -> np.ndarray:
    """The value that makes batch normalization the identity."""
    values = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1 - layer.epsilon}
    return np.full(variable.shape, values[variable.name], "float32")


def _absorb_biases(
    model: keras.Model, values: dict[tuple[str, str], np.ndarray], tensors: Tensors, naming: Naming
) -> set[str]:
    """Subtracts biases that the model's convolutions lack from the moving means of their batch normalizations.

    Returns:
        The names of these biases.
    """
    absorbed = set()
    for layer in model.layers:
        norm = layer.name.replace("_conv", "_bn")
        mean = values.get((norm, "moving_mean"))
        if norm == layer.name or mean is None or (layer.name, "bias") in values:
            continue
        try:
            bias = naming.tensor(layer.name, "bias")
        except KeyError:
            continue
        if bias in tensors and tensors[bias].shape == mean.shape:
            values[norm, "moving_mean"] = mean - tensors[bias]
            absorbed.add(bias)
    return absorbed


def _mismatches(model: keras.Model, values: dict[tuple[str, str], np.ndarray]) -> list[tuple[str, str]]:
    """(layer, text) for each value whose shape is not that of its variable."""
    return [
        (layer.name, f"{layer.name}/{variable.name}: {value.shape} in the file, {tuple(variable.shape)} in the model")
        for layer, variable in _variables(model)
        if (value := values.get((layer.name, variable.name))) is not None and value.shape != tuple(variable.shape)
    ]
