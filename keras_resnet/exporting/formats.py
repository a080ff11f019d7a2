"""FORMATS: one row per format of exported models."""

import dataclasses
import pathlib
import re

from keras_resnet.errors import check_name, unknown_name
from keras_resnet.runtimes.metadata import SAVED_MODEL_FILE
from keras_resnet.runtimes.table import RUNTIMES


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of exported models. The runtime of the same name has its suffix, and the extra that installs it.

    Attributes:
        module: has `write(model, path, metadata, precision, calibration)`, which writes a file or folder at the path.
            It is imported when it is used.
        start: how a file of this format starts, as a pattern; or the name of a file in such a folder.
        companions: suffixes of further files that are written beside the first.
        packages: that writing and running it needs.
        int8_packages: that int8 needs as well.
    """

    module: str
    start: bytes
    companions: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    int8_packages: tuple[str, ...] = ()


FORMATS = {
    "saved_model": Format("keras_resnet.exporting.saved_model", SAVED_MODEL_FILE.encode()),
    "keras": Format("keras_resnet.exporting.keras_file", b"PK"),
    "onnx": Format("keras_resnet.exporting.onnx", b"\x08", packages=("onnx", "onnxruntime", "tf2onnx")),
    "litert": Format("keras_resnet.exporting.litert", b"....TFL3", packages=("ai_edge_litert",)),
    "openvino": Format(
        "keras_resnet.exporting.openvino",
        rb"<\?xml[^>]*>\s*<net",
        companions=(".bin",),
        packages=("openvino",),
        int8_packages=("nncf",),
    ),
}


def format_of(path: pathlib.Path, name: str | None = None) -> str:
    """The name of the format of a path.

    Args:
        path: of the artifact; without a suffix for a SavedModel.
        name: of the format, if it is given.

    Raises:
        ValueError: the format is unknown, or the path does not have its suffix.

    Example:
        >>> import pathlib
        >>> from keras_resnet.exporting.formats import format_of
        >>> format_of(pathlib.Path("net.onnx")), format_of(pathlib.Path("net"))
        ('onnx', 'saved_model')
    """
    suffixes = {format_name: RUNTIMES[format_name].suffix for format_name in FORMATS}
    if name is None:
        found = next((known for known, suffix in suffixes.items() if suffix == path.suffix.lower()), None)
        if found is None:
            known = sorted(filter(None, suffixes.values()))
            raise unknown_name("suffix of an exported model", path.suffix, [*known, "no suffix for a SavedModel"])
        return found
    check_name("format", name, FORMATS)
    other = path.suffix.lower() in set(suffixes.values()) - {""}
    if path.suffix.lower() != suffixes[name] and (suffixes[name] or other):
        expected = f"end in {suffixes[name]}" if suffixes[name] else f"not end in {path.suffix}"
        raise ValueError(f"The path of the format {name} must {expected}, not be {path}.")
    return name


def check_free(path: pathlib.Path, name: str) -> None:
    """Checks that an artifact may be written to a path: there is nothing, or an artifact of the same format.

    Raises:
        FileExistsError: there is something else.

    Example:
        >>> import pathlib
        >>> from keras_resnet.exporting.formats import check_free
        >>> check_free(pathlib.Path("no_such_file.onnx"), "onnx")
    """
    files = [path, *map(path.with_suffix, FORMATS[name].companions)]
    existing = next((file for file in files if file.exists()), None)
    if existing and not _is_of(path, name):
        raise FileExistsError(f"{existing} exists and is not of the format {name}; choose another name.")


def _is_of(path: pathlib.Path, name: str) -> bool:
    start = FORMATS[name].start
    if not RUNTIMES[name].suffix:
        return (path / start.decode()).is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return re.match(start, file.read(100), re.DOTALL) is not None
