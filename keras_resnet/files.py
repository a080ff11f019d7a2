"""Files: written atomically, and verified by their checksums."""

import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable

SCRATCH = ".writing-"  # how the folders begin that files are written in before they get their name


def write_atomically(path: pathlib.Path, write: Callable[[str], None]) -> None:
    """Calls `write(scratch)` with a scratch path of the same suffixes, then renames that to `path`.

    A reader, or a crash at any moment, sees the old file or the new one whole.
    """
    path = pathlib.Path(path)
    suffixes = "".join(path.suffixes)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as folder:
            scratch = os.path.join(folder, f"file{suffixes}")
            write(scratch)
            _to_disk(scratch)
            os.replace(scratch, path)
            _to_disk(path.parent)  # the new name, too, survives a power cut
    except OSError as error:
        raise type(error)(f"{path} cannot be written ({error.strerror or error}); what was there is kept.") from error


def _to_disk(path):
    """DataTime until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda scratch: pathlib.Path(scratch).write_text(text, encoding="utf-8"))


def checksum(path: pathlib.Path, algorithm: str = "sha256") -> str:
    """The checksum of a file's content, in hexadecimal digits.

    Args:
        path: the file.
        algorithm: a name that `hashlib.new` knows.

    Raises:
        OSError: the file cannot be read.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import checksum
        >>> pathlib.Path("empty").touch()
        >>> checksum(pathlib.Path("empty"))[:8]
        'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
