"""Readers of weight files. They execute no code from a file, and reject damaged files."""

import io
import json
import os
import pathlib
import re
import zipfile
from collections.abc import Callable
from typing import IO

import keras
import numpy as np

from keras_resnet.errors import first_line

Tensors = dict[str, np.ndarray]

# The order in which Keras 3 numbers a layer's variables in a file.
KERAS_ORDER = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "GroupNormalization": ("gamma", "beta"),
    "Conv2D": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
}


def read_tensors(path: str | os.PathLike, model: keras.Model | None = None) -> Tensors:
    """The tensors of a weight file, by their names in the file.

    Args:
        path: `.safetensors` (needs the package safetensors), `.pth`, `.pt` or `.th` (needs torch), `.keras` or
            `.h5`. Names of Keras tensors are "layer/variable".
        model: the model for a `.weights.h5` file of Keras 3, which does not contain the names of layers.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is empty, damaged, of another format than its suffix says, or contains NaN or infinity.
        ImportError: the package that reads the format is not installed; the message names it.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.weights.formats import read_tensors
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> read_tensors("net.keras")["stem_conv/kernel"].shape
        (3, 3, 3, 16)
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"The weight file {path} does not exist.")
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path} does not have the suffix of a weight file: {', '.join(READERS)}.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty.")
    try:
        tensors = reader(path, model)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # the parsers of the formats raise many types of errors
        raise ValueError(f"{path} is not a valid {path.suffix} file ({_diagnosis(path, error)}).") from error
    if not tensors:
        raise ValueError(f"{path} contains no weights.")
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{path} contains NaN or infinity, for example in {name}.")
    return tensors


def _diagnosis(path: pathlib.Path, error: Exception) -> str:
    """The start of the file if it is a web page, else the reader's error."""
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start[:1] == b"<":
        return f"it starts with {start[:20].decode('utf-8', 'replace')!r}: a web page, perhaps an error page"
    return first_line(error)


def _read_safetensors(path: pathlib.Path, _: keras.Model | None) -> Tensors:
    try:
        import ml_dtypes  # noqa: F401 (registers bfloat16 with NumPy)
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(f"{path} needs the package safetensors (pip install 'resnet-keras[weights]').") from error
    with safe_open(path, framework="numpy") as file:
        return {name: np.asarray(file.get_tensor(name), "float32") for name in file.keys()}  # noqa: SIM118


def _read_torch(path: pathlib.Path, _: keras.Model | None) -> Tensors:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{path} needs the package torch, or convert it to .safetensors.") from error
    content = torch.load(path, map_location="cpu", weights_only=True)  # unpickles only tensors
    for wrapper in ("state_dict", "model", "state_dict_ema"):
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    return {
        name.removeprefix("module."): value.float().numpy()
        for name, value in content.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def _read_keras(path: pathlib.Path, _: keras.Model | None) -> Tensors:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    layers = [(layer["class_name"], layer["config"]["name"]) for layer in config["config"]["layers"]]
    return _read_numbered(io.BytesIO(weights), layers)


def _read_h5(path: pathlib.Path, model: keras.Model | None) -> Tensors:
    """A file of Keras 3, with numbered weights, or of Keras 2."""
    import h5py

    with h5py.File(path, "r") as content:
        numbered = "layers" in content
    if not numbered:
        return _read_legacy_h5(path)
    if model is None:
        raise ValueError("its weights are numbered; read_tensors needs the model")
    return _read_numbered(path, [(type(layer).__name__, layer.name) for layer in model.layers])


def _read_numbered(file: pathlib.Path | IO[bytes], layers: list[tuple[str, str]]) -> Tensors:
    """Keras 3's weights, in groups `layers/<class in snake case>_<number>/vars/<number>`; layers as (class, name)."""
    import h5py

    tensors: Tensors = {}
    counts: dict[str, int] = {}
    with h5py.File(file, "r") as content:
        groups = content["layers"]
        for class_name, name in layers:
            snake = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", class_name).lower()
            number = counts.get(snake, 0)
            counts[snake] = number + 1
            group = groups.get(f"{snake}_{number}" if number else snake)
            if group is None or "vars" not in group:
                continue
            for variable in group["vars"]:
                order = KERAS_ORDER.get(class_name, ())
                if int(variable) < len(order):
                    tensors[f"{name}/{order[int(variable)]}"] = np.asarray(group["vars"][variable], "float32")
    return tensors


def _read_legacy_h5(path: pathlib.Path) -> Tensors:
    """Keras 2's weights or model: the group of a layer has an attribute with the names of its weights."""
    import h5py

    with h5py.File(path, "r") as file:
        content = file.get("model_weights", file)
        found = {}
        for layer, group in content.items():
            for weight in group.attrs.get("weight_names", ()):
                weight = weight.decode() if isinstance(weight, bytes) else weight
                found[f"{layer}/{weight.split('/')[-1].split(':')[0]}"] = np.asarray(group[weight], "float32")
        return found


READERS: dict[str, Callable[[pathlib.Path, keras.Model | None], Tensors]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".th": _read_torch,
    ".keras": _read_keras,
    ".h5": _read_h5,
}
