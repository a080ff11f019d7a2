"""Readers of Keras's weight files, which are HDF5: `.h5`, `.weights.h5`, and the one inside a `.keras` archive.

An HDF5 file may point to other files, and may declare more data than it has. Both are refused before anything is read.
"""

import io
import json
import math
import pathlib
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import h5py
import keras
import numpy as np

from keras_resnet.preprocessing import NORMALIZATION_LAYER, mean_and_std
from keras_resnet.runtimes.metadata import read_bounded

Tensors = dict[str, np.ndarray]

# The order in which Keras 3 numbers a layer's variables in a file.
KERAS_ORDER = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "GroupNormalization": ("gamma", "beta"),
    "Conv1D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "StandardizedConv2D": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
}
NORMALIZATION = (f"{NORMALIZATION_LAYER}/mean", f"{NORMALIZATION_LAYER}/std")  # tensors of files of this package
COMPRESSION = 10  # the most times its own size that a file may hold, unless the model is larger


def read_keras(path: pathlib.Path, model: keras.Model | None) -> Tensors:
    """The tensors of a `.keras` file, by "layer/variable", also those of `NORMALIZATION`."""
    limit = _limit(path.stat().st_size, model)
    configs = [(layer["class_name"], layer["config"]) for layer in read_config(path, model)["layers"]]
    layers = [(class_name, config["name"]) for class_name, config in configs]
    tensors = _read_numbered(io.BytesIO(_read_member(path, "model.weights.h5", limit)), layers, limit)
    for class_name, config in configs:
        if (class_name, config["name"]) == ("Rescaling", NORMALIZATION_LAYER):
            tensors |= zip(NORMALIZATION, mean_and_std(config["scale"], config["offset"]), strict=True)
    return tensors


def read_config(path: pathlib.Path, model: keras.Model | None) -> dict[str, Any]:
    """The configuration of the model in a `.keras` file; nothing is built from it."""
    return json.loads(_read_member(path, "config.json", _limit(path.stat().st_size, model)))["config"]


def _read_member(path: pathlib.Path, name: str, limit: int) -> bytes:
    """A file of an archive; raises ValueError if it declares more than `limit` bytes."""
    with zipfile.ZipFile(path) as archive:
        return read_bounded(archive, name, limit)


def read_h5(path: pathlib.Path, model: keras.Model | None) -> Tensors:
    """The tensors of an `.h5` file of Keras 3, with numbered weights, or of Keras 2, by "layer/variable"."""
    limit = _limit(path.stat().st_size, model)
    with h5py.File(path, "r") as content:
        if "layers" not in content:
            return _read_legacy(content, limit)
    if model is None:
        raise ValueError("its weights are numbered; read_tensors needs the model")
    return _read_numbered(path, [(type(layer).__name__, layer.name) for layer in model.layers], limit)


def _limit(file_size: int, model: keras.Model | None) -> int:
    """The most bytes that a file's parts may declare: what compression can explain, or the model in float64."""
    parameters = 0 if model is None else sum(math.prod(variable.shape) for variable in model.variables)
    return max(COMPRESSION * file_size, 8 * parameters)


def _read_numbered(file: pathlib.Path | IO[bytes], layers: list[tuple[str, str]], limit: int) -> Tensors:
    """Keras 3's weights, in groups `layers/<class in snake case>_<number>/vars/<number>`; layers as (class, name)."""
    with h5py.File(file, "r") as content:
        datasets = _datasets(content, limit)
        tensors: Tensors = {}
        counts: dict[str, int] = {}
        for class_name, name in layers:
            snake = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", class_name).lower()
            number = counts.get(snake, 0)
            counts[snake] = number + 1
            group = f"layers/{snake}_{number}" if number else f"layers/{snake}"
            for index, variable in enumerate(KERAS_ORDER.get(class_name, ())):
                if dataset := datasets.get(f"{group}/vars/{index}"):
                    tensors[f"{name}/{variable}"] = np.asarray(dataset, "float32")
        return tensors


def _read_legacy(content: h5py.File, limit: int) -> Tensors:
    """Keras 2's weights or model: the group of a layer has an attribute with the names of its weights."""
    datasets = _datasets(content, limit)
    root = "model_weights/" if "model_weights" in content else ""
    found = {}
    for layer, group in content[root or "/"].items():
        for weight in _weight_names(group.attrs, limit):
            found[f"{layer}/{weight.split('/')[-1].split(':')[0]}"] = np.asarray(
                datasets[f"{root}{layer}/{weight}"], "float32"
            )
    return found


def _weight_names(attributes: h5py.AttributeManager, limit: int) -> list[str]:
    if "weight_names" not in attributes:
        return []
    declared = attributes.get_id("weight_names")
    if math.prod(declared.shape) * declared.dtype.itemsize > limit:
        raise ValueError("its weight_names declare more bytes than the file has")
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in attributes["weight_names"]]
    if len(set(names)) < len(names):
        raise ValueError("its weight_names name a weight twice")
    return names


def _datasets(content: h5py.File, limit: int) -> Mapping[str, h5py.Dataset]:
    """All datasets of a file, by their path.

    Raises:
        ValueError: the file has a link or data in another file, a loop, or data that are not numbers; or its datasets
            declare more than `limit` bytes.
    """
    found, groups, seen = {}, [("", content)], set()
    while groups:
        prefix, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError(f"its group {prefix!a} is linked twice")
        seen.add(address)
        for name in group:
            path = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its {path!a} is a link, perhaps to another file")
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append((f"{path}/", item))
            elif isinstance(item, h5py.Dataset):
                _check_stored_here(item, path)
                found[path] = item
    declared = sum(dataset.nbytes for dataset in found.values())
    if declared > limit:
        raise ValueError(f"its datasets declare {declared:,} bytes, more than the file or the model has")
    return found


def _check_stored_here(dataset: h5py.Dataset, path: str) -> None:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the values of its {path!a} are in another file")
    if dataset.dtype.kind not in "fiub" and dataset.size:
        raise ValueError(f"its {path!a} holds {dataset.dtype}, not numbers")
