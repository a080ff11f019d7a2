"""Atomic writes, and checksums."""

import contextlib
import csv
import hashlib
import io
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

SCRATCH = ".writing-"  # prefix of the temporary folders that files are first written to


def write_atomically(path: pathlib.Path, write: Callable[[str], object]) -> None:
    """Calls `write` with a temporary path that has the same suffixes, then renames that file to `path`.

    A reader always sees either the complete old file or the complete new one, even after a crash.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    path = pathlib.Path(path)
    with write_errors_explained(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as folder:
        scratch = pathlib.Path(folder, f"file{''.join(path.suffixes)}")
        write(str(scratch))
        _sync(scratch)
        scratch.replace(path)
        with contextlib.suppress(OSError):  # some network disks cannot sync a folder, and the file is in its place
            _sync(path.parent)  # so that the new name also survives a power failure


@contextlib.contextmanager
def write_errors_explained(path: pathlib.Path) -> Iterator[None]:
    """A context in which an error while a path is written names the path, not a temporary file.

    Raises:
        OSError: the path cannot be written.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import write_errors_explained
        >>> with write_errors_explained(pathlib.Path("net.onnx")):
        ...     raise OSError(28, "No space left on device", ".writing-1")
        Traceback (most recent call last):
        ...
        OSError: net.onnx cannot be written (No space left on device); any earlier file is kept.
    """
    try:
        yield
    except OSError as error:
        raise type(error)(f"{path} cannot be written ({error.strerror or error}); any earlier file is kept.") from error


def _sync(path: pathlib.Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file atomically."""
    write_atomically(path, lambda scratch: pathlib.Path(scratch).write_text(text, encoding="utf-8"))


def write_rows(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    r"""Writes a CSV file atomically: a header, and a line for each row; every row has the columns of the first.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import write_rows
        >>> write_rows(pathlib.Path("log.csv"), [{"epoch": 0, "loss": 2.5}])
        >>> pathlib.Path("log.csv").read_text()
        'epoch,loss\n0,2.5\n'
    """
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, content.getvalue())


def replace(new: pathlib.Path, path: pathlib.Path) -> None:
    """Renames a file or folder to a path on the same disk, where there may be an older one.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import replace
        >>> new, old = pathlib.Path("new"), pathlib.Path("old")
        >>> new.mkdir()
        >>> replace(new, old)
        >>> old.is_dir(), new.exists()
        (True, False)
    """
    if not path.is_dir():
        new.replace(path)
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as folder:
        old = path.rename(pathlib.Path(folder, path.name))
        try:
            new.rename(path)
        except BaseException:  # also Ctrl-C: the older folder stays
            if not path.exists():
                old.rename(path)
            raise


def remove_scratch(folder: pathlib.Path) -> None:
    """Removes the temporary folders of a process that was killed while it wrote files to a folder.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import SCRATCH, remove_scratch
        >>> scratch = pathlib.Path(f"{SCRATCH}1")
        >>> scratch.mkdir()
        >>> remove_scratch(pathlib.Path())
        >>> scratch.exists()
        False
    """
    for scratch in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)


def checksum(path: str | os.PathLike, algorithm: str = "sha256", prefix: bytes = b"") -> str:
    """The checksum of a file's content, as hexadecimal digits.

    Args:
        path: the file.
        algorithm: an algorithm's name, as for `hashlib.new`.
        prefix: bytes that count as if they preceded the content.

    Raises:
        OSError: the file cannot be read.

    Example:
        >>> import pathlib
        >>> from keras_resnet.files import checksum
        >>> pathlib.Path("empty").touch()
        >>> checksum(pathlib.Path("empty"))[:8]
        'e3b0c442'
    """
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, prefix, usedforsecurity=False)).hexdigest()
