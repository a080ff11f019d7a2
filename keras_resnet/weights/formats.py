"""Readers of weight files. They execute no code from a file, and reject damaged files."""

import os
import pathlib
from collections.abc import Callable

import keras
import ml_dtypes  # noqa: F401 (registers bfloat16 with NumPy)
import numpy as np

from keras_resnet.errors import first_line
from keras_resnet.weights.hdf5 import Tensors, read_h5, read_keras
from keras_resnet.weights.torch_files import read_torch


def read_tensors(path: str | os.PathLike, model: keras.Model | None = None) -> Tensors:
    """The tensors of a weight file, by their names in the file.

    Args:
        path: a `.safetensors`, `.pth`, `.pt`, `.th`, `.keras` or `.h5` file. Names of Keras tensors are
            "layer/variable".
        model: the model for a `.weights.h5` file of Keras 3, which does not contain the names of layers.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the path is not a file's, or the file is empty, damaged, of another format than its suffix says,
            declares more data than it has, or contains NaN or infinity.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.weights.formats import read_tensors
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> read_tensors("net.keras")["stem_conv/kernel"].shape
        (3, 3, 3, 16)
    """
    path = existing_file(path)
    reader = READERS.get(path.suffix)
    if reader is None:
        raise ValueError(f"{path} does not have the suffix of a weight file: {', '.join(READERS)}.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty.")
    try:
        tensors = reader(path, model)
    except MemoryError:
        raise
    except Exception as error:  # the parsers of the formats raise many types of errors
        raise ValueError(f"{path} is not a valid {path.suffix} file ({_diagnosis(path, error)}).") from error
    if not tensors:
        raise ValueError(f"{path} contains no weights.")
    for name, value in tensors.items():
        if not name.isprintable():
            raise ValueError(f"{path} contains a tensor whose name is not text: {name!a}.")
        if not np.isfinite(value).all():
            raise ValueError(f"{path} contains NaN or infinity, for example in {name}.")
    return tensors


def existing_file(path: str | os.PathLike) -> pathlib.Path:
    """The path of a weight file that exists; errors are those of `read_tensors`.

    Example:
        >>> from keras_resnet.weights.formats import existing_file
        >>> existing_file("net.h5")
        Traceback (most recent call last):
        ...
        FileNotFoundError: The weight file net.h5 does not exist.
    """
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"The weight file {path} does not exist.")
    if not path.is_file():
        kind = "folder" if path.is_dir() else "device or pipe"
        raise ValueError(f"{path} is a {kind}, not a weight file; name a file, such as best.keras of a run.")
    return path


def _diagnosis(path: pathlib.Path, error: Exception) -> str:
    """The start of the file if it is a web page, else the reader's error."""
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start[:1] == b"<":
        return f"it starts with {start[:20].decode('utf-8', 'replace')!r}: a web page, perhaps an error page"
    return first_line(error)


def _read_safetensors(path: pathlib.Path, _: keras.Model | None) -> Tensors:
    import safetensors

    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: np.asarray(file.get_tensor(name), "float32") for name in file.keys()}  # noqa: SIM118


READERS: dict[str, Callable[[pathlib.Path, keras.Model | None], Tensors]] = {
    ".safetensors": _read_safetensors,
    ".pth": lambda path, _: read_torch(path),
    ".pt": lambda path, _: read_torch(path),
    ".th": lambda path, _: read_torch(path),
    ".keras": read_keras,
    ".h5": read_h5,
}
