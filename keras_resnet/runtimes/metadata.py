"""`Metadata`: what an exported model says about itself."""

import dataclasses
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from keras_resnet.errors import shown
from keras_resnet.view import View

METADATA_KEY = "keras_resnet"  # the name of the metadata inside an artifact
LARGEST_METADATA = 64_000_000  # bytes; those of 21,843 classes have fewer than one million
METADATA_FILE = "keras_resnet.json"  # in an artifact that is a folder or an archive
SAVED_MODEL_FILE, LABELS_FILE, VIEW_FILE = "saved_model.pb", "labels.txt", "view.json"  # in a SavedModel's folder


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What an exported model takes, what its outputs mean, and where it comes from.

    Args:
        name: of the model.
        format: of the artifact, such as "onnx".
        precision: of its arithmetic, such as "float32" or "int8".
        image_shape: (height, width, channels) of the images, RGB in 0 to 255; None for a variable side.
        class_names: the name of each output.
        view: what the model is tested on, or None.
        source: the run, file or weights that the model comes from, or None.
        commit: of the package that exported it, or None outside a checkout.
        accuracy: what was measured: the content of the run's result.json, or {}.

    Example:
        >>> from keras_resnet.runtimes import Metadata
        >>> metadata = Metadata("net", "onnx", "float32", (32, 32, 3), ("cat", "dog"))
        >>> Metadata.from_json(metadata.to_json()) == metadata
        True
    """

    name: str
    format: str
    precision: str
    image_shape: tuple[int | None, int | None, int]
    class_names: tuple[str, ...]
    view: View | None = None
    source: str | None = None
    commit: str | None = None
    accuracy: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def default_view(self) -> View | None:
        """The view, else the center crop of the model's size; None for a model of any size, which takes whole images.

        Example:
            >>> from keras_resnet.runtimes import Metadata
            >>> Metadata("net", "onnx", "float32", (32, 32, 3), ("cat", "dog")).default_view.size
            (32, 32)
        """
        height, width, _ = self.image_shape
        return self.view or (View((height, width)) if height and width else None)

    def to_json(self) -> str:
        """The metadata as JSON on one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Metadata":
        """The metadata that `to_json` wrote.

        Raises:
            ValueError: the text is something else.
        """
        try:
            values = json.loads(text)
            known = {field.name: values[field.name] for field in dataclasses.fields(cls)}
            known["image_shape"] = tuple(known["image_shape"])
            known["class_names"] = tuple(known["class_names"])
            known["view"] = known["view"] and View.from_json(known["view"])
            return cls(**known)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"The metadata of the model are damaged ({error}).") from None


def checked_class_names(names: Iterable[str], classes: int) -> tuple[str, ...]:
    """Class names as a tuple.

    Raises:
        ValueError: they are not strings of one line, or not one for each class.

    Example:
        >>> from keras_resnet.runtimes.metadata import checked_class_names
        >>> checked_class_names(["cat", "dog"], classes=2)
        ('cat', 'dog')
    """
    listed = tuple(names) if isinstance(names, Iterable) and not isinstance(names, (str, bytes)) else ()
    if not listed or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"Class names must be a list of strings, not {shown(names)}.")
    if len(listed) != classes:
        raise ValueError(f"{len(listed)} class names do not fit a model of {classes} classes.")
    broken = [name for name in listed if "".join(name.splitlines()) != name]
    if broken:
        raise ValueError(f"Class names must be of one line, not {shown(broken[0])}.")
    return tuple(map(str, listed))


def labels_text(class_names: Iterable[str]) -> str:
    r"""The content of labels.txt: a line for each class.

    Example:
        >>> from keras_resnet.runtimes.metadata import labels_text
        >>> labels_text(["cat", "dog"])
        'cat\ndog\n'
    """
    return "".join(f"{name}\n" for name in class_names)


def read_bounded(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A file of an archive, of at most `limit` bytes, whatever it declares.

    Raises:
        KeyError: there is no such file.
        ValueError: it has more bytes, or is compressed by a method that Keras does not use.
    """
    member = archive.getinfo(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a bound
        raise ValueError(f"its {name} is compressed by an unknown method")
    if member.file_size > limit:
        raise ValueError(f"its {name} declares {member.file_size:,} bytes")
    with archive.open(member) as file:
        return file.read(member.file_size)


def append_to_zip(path: str | os.PathLike, metadata: Metadata) -> None:
    """Adds the metadata and labels.txt to a file that is a zip archive, or appends an archive with them to another."""
    members = {METADATA_FILE: metadata.to_json(), LABELS_FILE: labels_text(metadata.class_names)}
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # without the time, so that equal models give equal files


def metadata_in_zip(path: str | os.PathLike) -> Metadata | None:
    """The metadata in a file that is a zip archive, or at whose end there is one; None without.

    Raises:
        ValueError: the archive or the metadata are damaged.
    """
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if METADATA_FILE not in archive.namelist():
                return None
            text = read_bounded(archive, METADATA_FILE, LARGEST_METADATA).decode("utf-8")
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise ValueError(f"The metadata of the model are damaged ({error}).") from None
    return Metadata.from_json(text)
