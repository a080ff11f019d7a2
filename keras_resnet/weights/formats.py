"""Weight files -> tensors by name. Nothing in a file is executed, and a damaged one is named."""

import io
import json
import pathlib
import re
import zipfile

import numpy as np

from keras_resnet.errors import first_line

# The order in which Keras 3 numbers a layer's variables in a file.
KERAS_ORDER = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "GroupNormalization": ("gamma", "beta"),
    "Conv2D": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
}


def read_tensors(path, model=None) -> dict[str, np.ndarray]:
    """The tensors of a weight file, by the names they have there.

    Args:
        path: `.safetensors` (needs the package safetensors), `.pth`, `.pt` or `.th` (needs torch), `.keras` or
            `.h5`. Names of Keras tensors are "layer/variable".
        model: the model that a `.weights.h5` file of Keras 3 is for: such a file holds no names of layers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, damaged, of another kind than its suffix says, or with values that are not finite.
        ImportError: the package that reads the format is missing; says which.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.weights.formats import read_tensors
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> read_tensors("net.keras")["stem_conv/kernel"].shape
        (3, 3, 3, 16)
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"No weight file {path}.")
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path} has none of the suffixes of weight files: {', '.join(READERS)}.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty.")
    try:
        tensors = reader(path, model)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # the formats' readers raise whatever their parsers do
        raise ValueError(f"{path} is no whole {path.suffix} file ({_what_it_is(path, error)}).") from error
    if not tensors:
        raise ValueError(f"{path} holds no weights.")
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{path} holds values that are not finite, as in {name}.")
    return tensors


def _what_it_is(path, error):
    """What the first bytes say, where they are those of a page; else the reader's complaint."""
    with open(path, "rb") as file:
        start = file.read(64).lstrip()
    if start[:1] == b"<":
        return f"it starts with {start[:20].decode('utf-8', 'replace')!r}: a page, perhaps of an error"
    return first_line(error)


def _read_safetensors(path, _):
    try:
        import ml_dtypes  # noqa: F401 (bfloat16 for NumPy)
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(f"{path} needs the package safetensors (pip install 'resnet-keras[weights]').") from error
    with safe_open(path, framework="numpy") as file:
        return {name: np.asarray(file.get_tensor(name), "float32") for name in file.keys()}  # noqa: SIM118


def _read_torch(path, _):
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{path} needs the package torch, or convert it to .safetensors.") from error
    content = torch.load(path, map_location="cpu", weights_only=True)  # unpickles nothing but tensors
    for wrapper in ("state_dict", "model", "state_dict_ema"):
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    return {
        name.removeprefix("module."): value.float().numpy()
        for name, value in content.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def _read_keras(path, _):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    layers = [(layer["class_name"], layer["config"]["name"]) for layer in config["config"]["layers"]]
    return _read_numbered(io.BytesIO(weights), layers)


def _read_h5(path, model):
    """Keras 3's numbered weights, or what Keras 2 wrote."""
    import h5py

    with h5py.File(path, "r") as content:
        numbered = "layers" in content
    if not numbered:
        return _read_legacy_h5(path)
    if model is None:
        raise ValueError("the weights in it are numbered: they can only be read for a model")
    return _read_numbered(path, [(type(layer).__name__, layer.name) for layer in model.layers])


def _read_numbered(file, layers):
    """Keras 3's weights: groups `layers/<class, snake case>_<number>/vars/<number>`."""
    import h5py

    tensors, counts = {}, {}
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


def _read_legacy_h5(path):
    """Keras 2's weights, or a whole model's: each layer's group names its weights in an attribute."""
    import h5py

    with h5py.File(path, "r") as file:
        content = file.get("model_weights", file)
        found = {}
        for layer, group in content.items():
            for weight in group.attrs.get("weight_names", ()):
                weight = weight.decode() if isinstance(weight, bytes) else weight
                found[f"{layer}/{weight.split('/')[-1].split(':')[0]}"] = np.asarray(group[weight], "float32")
        return found


READERS = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".th": _read_torch,
    ".keras": _read_keras,
    ".h5": _read_h5,
}
