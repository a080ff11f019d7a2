"""Reads the tensors of PyTorch's files, without PyTorch and without running anything in them.

`torch.save` pickles a state dict, whose tensors name the storages that hold their values. A pickle is a program, and
Python's unpickler calls whatever functions it names. `_unpickle` only interprets the instructions of plain tensors.
Since PyTorch 1.6, files are zip archives: `data.pkl`, and a file of bytes for each storage. Before ("legacy"), the
pickles of a magic number, a version, the system, the state dict and the storages' keys came first, then all bytes.
"""

import functools
import io
import math
import pathlib
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from keras_resnet.errors import shown

DTYPES = {  # in the names of storages, such as FloatStorage
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype(ml_dtypes.bfloat16),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("?"),
}
STORAGES = {f"torch {name}Storage": dtype for name, dtype in DTYPES.items()}
REBUILDS = ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2")
FUNCTIONS = ("collections OrderedDict", "torch._utils _rebuild_parameter", *REBUILDS)
# Keys under which training scripts save a state dict. As in timm's loader, averaged weights come first.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
LEGACY_MAGIC, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001
ZIP_START = b"PK\x03\x04"
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
MARK = object()
SHARING = 10  # the most times that the tensors of a file may show each value of its storages, on average

BytesOf = Callable[["Storage"], "bytes | memoryview"]


class Global(NamedTuple):
    """A function or class that a pickle names: "module name"."""

    name: str


class Storage(NamedTuple):
    """A persistent id of a pickle: an array of `numel` values, which the file holds under `key`."""

    kind: str
    dtype: Global
    key: str
    location: str
    numel: int
    view: None = None


class Tensor(NamedTuple):
    """A tensor's place in its storage, in units of values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, as float32, by name.

    Args:
        path: a file of `torch.save`: a state dict, or a dict with one under a key of `WRAPPERS`, the first that it has.

    Raises:
        ValueError: the file is damaged, or it contains anything but plain tensors, numbers, strings and collections.

    Example:
        >>> import pathlib
        >>> from keras_resnet.weights.torch_files import read_torch
        >>> tensors = read_torch(pathlib.Path("resnet20.th"))  # doctest: +SKIP
    """
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP_START)) == ZIP_START
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            content, bytes_of = _open_zip(archive, path.stat().st_size)
            return _tensors(content, bytes_of)
    return _tensors(*_open_legacy(path.read_bytes()))


def _tensors(content: Any, bytes_of: BytesOf) -> dict[str, np.ndarray]:
    if isinstance(content, dict):
        content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict):
        raise ValueError("it contains no state dict")
    tensors = {str(name).removeprefix("module."): item for name, item in content.items() if isinstance(item, Tensor)}
    stored = sum({tensor.storage.key: tensor.storage.numel for tensor in tensors.values()}.values())
    values, total = {}, 0
    for name, tensor in tensors.items():
        values[name] = _values(tensor, bytes_of)
        total += values[name].size
        if total > SHARING * stored:  # tied weights show the same storage, but not without end
            raise ValueError(f"its tensors have more than {SHARING} times the {stored:,} values of their storages")
    return values


def _values(tensor: Tensor, bytes_of: BytesOf) -> np.ndarray:
    """The values of a tensor, after a check that they lie inside its storage."""
    storage, offset, shape, strides = tensor
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"a tensor has the shape {shown(shape)} and the strides {shown(strides)}")
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if 0 in shape:
        return np.zeros(shape, "float32")
    if last >= storage.numel or math.prod(shape) > storage.numel:
        raise ValueError(f"a tensor of shape {shape} exceeds its storage of {storage.numel} values")
    values = np.frombuffer(bytes_of(storage), STORAGES[storage.dtype.name], storage.numel)
    in_bytes = [stride * values.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, in_bytes).astype("float32")


def _size(storage: Storage) -> int:
    return storage.numel * STORAGES[storage.dtype.name].itemsize


def _open_zip(archive: zipfile.ZipFile, size: int) -> tuple[Any, BytesOf]:
    """The pickled object of an archive, and the function that reads a storage."""
    members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise ValueError("it is compressed, which torch.save never does")
    if sum(info.file_size for info in archive.infolist()) > size:
        raise ValueError("its parts declare more bytes than the file has")
    if "data.pkl" not in members:
        raise ValueError("it is a zip archive without data.pkl")
    if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
        raise ValueError("it is big-endian")

    @functools.cache  # tensors may share a storage
    def bytes_of(storage: Storage) -> bytes:
        member = members.get(f"data/{storage.key}")
        if member is None or member.file_size != _size(storage):
            raise ValueError(f"the storage {storage.key} of {_size(storage)} bytes is missing or has another size")
        return archive.read(member)

    return _unpickle(io.BytesIO(archive.read(members["data.pkl"])), {}), bytes_of


def _open_legacy(file: bytes) -> tuple[Any, BytesOf]:
    """The same for a file of PyTorch before 1.6."""
    stream, storages = io.BytesIO(file), dict[str, Storage]()
    if _unpickle(stream, {}) != LEGACY_MAGIC or _unpickle(stream, {}) != LEGACY_VERSION:
        raise ValueError("it is not a file of torch.save")
    if _unpickle(stream, {})["little_endian"] is not True:
        raise ValueError("it is big-endian")
    content, keys = _unpickle(stream, storages), _unpickle(stream, {})
    parts, position = {}, stream.tell()
    for key in keys:
        start, end = position + 8, position + 8 + _size(storages[key])
        if end > len(file) or int.from_bytes(file[position:start], "little") != storages[key].numel:
            raise ValueError(f"the storage {key} of {_size(storages[key])} bytes is missing or has another size")
        parts[key], position = memoryview(file)[start:end], end
    return content, lambda storage: parts[storage.key]


def _unpickle(stream: io.BytesIO, storages: dict[str, Storage]) -> Any:
    """Interprets the pickle at the stream's position; adds its storages to `storages` by key. It calls nothing."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        match opcode.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(MARK)
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case name if name in VALUES:
                stack.append(argument)
            case "GLOBAL":
                stack.append(_known(str(argument)))
            case name if name in EMPTY:
                stack.append(EMPTY[name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(_since_mark(stack)))
            case "APPEND":
                _extend(stack, [stack.pop()])
            case "APPENDS":
                _extend(stack, _since_mark(stack))
            case "SETITEM":
                _update(stack, [stack.pop(-2), stack.pop()])
            case "SETITEMS":
                _update(stack, _since_mark(stack))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
                storages[stack[-1].key] = stack[-1]
            case "REDUCE":
                stack.append(_result(stack.pop(-2), stack.pop()))
            case "BUILD":  # attributes of a collection, such as a state dict's versions
                stack.pop()
            case name:
                raise ValueError(f"its pickle has the instruction {name}, which plain tensors do not need")
    raise ValueError("its pickle has no end")


def _since_mark(stack: list[Any]) -> list[Any]:
    """Removes and returns what lies above the last mark."""
    mark = next((index for index in reversed(range(len(stack))) if stack[index] is MARK), None)
    if mark is None:
        raise ValueError("its pickle has no mark where it needs one")
    items = stack[mark + 1 :]
    del stack[mark:]
    return items


def _extend(stack: list[Any], items: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise ValueError("its pickle appends to what is not a list")
    stack[-1].extend(items)


def _update(stack: list[Any], items: list[Any]) -> None:
    """Adds alternating keys and values to a dict. Hashing a deeply nested tuple would overflow the stack of C."""
    if type(stack[-1]) is not dict or not all(isinstance(key, (str, int)) for key in items[::2]):
        raise ValueError("its pickle has a dict whose keys are neither strings nor integers")
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _known(name: str) -> Global:
    if name not in STORAGES and name not in FUNCTIONS:
        raise ValueError(
            f"it contains {name.replace(' ', '.')}, which is not a plain tensor; load the file with PyTorch, and save "
            "its state dict alone"
        )
    return Global(name)


def _storage(persistent_id: Any) -> Storage:
    storage = Storage(*persistent_id)
    is_storage = isinstance(storage.dtype, Global) and storage.dtype.name in STORAGES
    if not is_storage or storage.kind != "storage" or not isinstance(storage.key, str) or storage.view is not None:
        raise ValueError("its pickle names a storage that torch.save does not write")
    if type(storage.numel) is not int or storage.numel < 0:
        raise ValueError("its pickle names a storage without a size")
    return storage


def _result(function: Any, arguments: Any) -> Any:
    """What a function of `FUNCTIONS` would return."""
    name = function.name if isinstance(function, Global) else None
    if name == "collections OrderedDict" and arguments in ((), ([],)):
        return {}
    if name == "torch._utils _rebuild_parameter" and isinstance(arguments[0], Tensor):
        return arguments[0]
    if name in REBUILDS and isinstance(arguments[0], Storage) and isinstance(arguments[2], tuple):
        return Tensor(*arguments[:4])
    raise ValueError("its pickle calls a function as torch.save does not")
