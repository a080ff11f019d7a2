"""Writes files as `torch.save` does, byte by byte: the instructions of the pickle, and the values."""

import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np

STORAGES = {
    "float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
    "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
LEGACY_START = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    """BININT, or LONG1 for a number beyond 32 bits."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def storage(key, kind, numel, end=b""):
    return (
        tuple_of(text("storage"), f"ctorch\n{kind}Storage\n".encode(), text(key), text("cpu"), number(numel), end)
        + b"Q"
    )


def tensor(key, kind, numel, shape, strides, offset=0, legacy=False):
    """A call of _rebuild_tensor_v2, or of the function before it."""
    place = [storage(key, kind, numel, b"N" if legacy else b""), number(offset)]
    place += [tuple_of(*map(number, sizes)) for sizes in (shape, strides)]
    if legacy:
        return b"ctorch._utils\n_rebuild_tensor\n" + tuple_of(*place) + b"R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + tuple_of(*place, b"\x89", ORDERED_DICT) + b"R"


def parameter(rebuilt):
    return b"ctorch._utils\n_rebuild_parameter\n" + tuple_of(rebuilt, b"\x88", ORDERED_DICT) + b"R"


def dict_of(items):
    return ORDERED_DICT + b"(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


class Arrays:
    """Pickles nested dicts of arrays, and keeps each array's bytes under a key."""

    def __init__(self, legacy=False):
        self.values, self.legacy = {}, legacy

    def instructions(self, content):
        if isinstance(content, dict):
            return dict_of({name: self.instructions(value) for name, value in content.items()})
        if isinstance(content, float):
            return b"G" + struct.pack(">d", content)
        key = str(len(self.values))
        self.values[key] = np.ascontiguousarray(content)
        strides = [stride // content.itemsize for stride in self.values[key].strides]
        kind = STORAGES[content.dtype.name]
        return tensor(key, kind, content.size, content.shape, strides, legacy=self.legacy)


def write_zip(path, content):
    """A file of PyTorch 1.6 and later, of nested dicts of arrays and floats."""
    arrays = Arrays()
    instructions = arrays.instructions(content)
    return write_archive(path, instructions, {key: value.tobytes() for key, value in arrays.values.items()})


def write_archive(path, instructions, values, compression=zipfile.ZIP_STORED, byteorder="little"):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + instructions + b".")
        archive.writestr("net/byteorder", byteorder)
        for key, content in values.items():
            archive.writestr(f"net/data/{key}", content)
    return path


def write_legacy(path, content):
    """A file of PyTorch before 1.6."""
    arrays = Arrays(legacy=True)
    start = b"".join(pickle.dumps(value, protocol=2) for value in LEGACY_START)
    instructions = b"\x80\x02" + arrays.instructions(content) + b"."
    keys = pickle.dumps(list(arrays.values), protocol=2)
    parts = [struct.pack("<q", value.size) + value.tobytes() for value in arrays.values.values()]
    path.write_bytes(start + instructions + keys + b"".join(parts))
    return path
