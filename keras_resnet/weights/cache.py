"""Weight files in Keras's folder: where they are, which of them are verified, and one download at a time."""

import contextlib
import os
import pathlib
import urllib.error
from collections.abc import Callable, Iterator

from keras_resnet.errors import first_line
from keras_resnet.files import checksum

try:
    import fcntl
except ImportError:  # Windows has no fcntl: two processes may download the same file at the same time
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 30  # seconds without data until a connection counts as lost


def weights_folder() -> pathlib.Path:
    """`models/keras_resnet` of Keras's folder: `~/.keras`, or the environment variable KERAS_HOME."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models" / "keras_resnet"


def fetch_once(path: pathlib.Path, fetch: Callable[[], bool]) -> pathlib.Path:
    """The path of a file, fetched unless it is verified already.

    Args:
        path: of the file.
        fetch: makes the file, and returns whether it verified it.

    Raises:
        OSError: the folder cannot be written, or `fetch` raises it.
    """
    if is_verified(path):
        return path
    with locked(path):
        # Another process may have downloaded the file meanwhile.
        if not is_verified(path) and fetch():
            mark_verified(path)
    return path


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Makes other processes of this machine wait while this one downloads `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = with_suffix(path, ".lock").open("w")
    except OSError as error:
        raise OSError(
            f"{path.parent} cannot be written ({error.strerror}); set KERAS_HOME to a writable folder."
        ) from error
    with lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def with_suffix(path: pathlib.Path, suffix: str) -> pathlib.Path:
    """The path of a file beside another: "net.h5.lock" for "net.h5"."""
    return path.with_name(path.name + suffix)


def _state(path: pathlib.Path) -> str:
    """Size and modification time, which are faster to compare than checksums."""
    status = path.stat()
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def mark_verified(path: pathlib.Path) -> None:
    """Notes that the file is verified, for `is_verified`."""
    with_suffix(path, ".verified").write_text(_state(path), encoding="utf-8")


def is_verified(path: pathlib.Path) -> bool:
    """Whether the file was verified and has not changed since."""
    try:
        return with_suffix(path, ".verified").read_text(encoding="utf-8") == _state(path)
    except OSError:
        return False


def matches(path: pathlib.Path, published: str) -> bool:
    """Whether a file has a published checksum: "sha256:", "md5:", or "git:", and hexadecimal digits.

    Example:
        >>> import pathlib
        >>> from keras_resnet.weights.cache import matches
        >>> pathlib.Path("empty").touch()
        >>> matches(pathlib.Path("empty"), "git:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        True
    """
    algorithm, expected = published.split(":")
    return _digits(path, algorithm).startswith(expected)  # torchvision publishes the first eight digits


def _digits(path: pathlib.Path, algorithm: str) -> str:
    if algorithm == "git":  # the id of a file in git is the SHA-1 of its size and its content
        return checksum(path, "sha1", f"blob {path.stat().st_size}\0".encode())
    return checksum(path, algorithm)


def verify(path: pathlib.Path, published: str) -> None:
    """Deletes the file and raises ValueError if its checksum is wrong; see `matches`."""
    if matches(path, published):
        return
    algorithm, expected = published.split(":")
    found, size = _digits(path, algorithm), path.stat().st_size
    with path.open("rb") as file:
        page = file.read(64).lstrip().startswith(b"<")
    path.unlink()
    raise ValueError(
        f"{path.name.removesuffix('.part')} is not the published file: {algorithm} {expected} was expected, "
        f"{found} found{' (it looks like a web page)' if page else ''}. The file of {size} bytes was deleted; "
        "download it again."
    )


def reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None)
    return str(reason) if isinstance(reason, str) else first_line(reason or error)


def unavailable(name: str, url: str, path: pathlib.Path, error: Exception, variable: str) -> OSError:
    """The error for a failed download; `variable` is the environment variable for a mirror."""
    return OSError(
        f"The weights {name} could not be downloaded from {url} ({reason(error)}); "
        f"try again, set {variable} to a mirror, or put the file at {path} by hand."
    )
