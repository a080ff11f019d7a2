"""`fetch_weights`: downloads and verifies a published weight file."""

import contextlib
import functools
import http.client
import os
import pathlib
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator

from keras_resnet.errors import first_line
from keras_resnet.files import checksum
from keras_resnet.weights.pretrained import PretrainedWeights

try:
    import fcntl
except ImportError:  # Windows has no fcntl: two processes may download the same file at the same time
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 30  # seconds without data until a connection counts as lost
ATTEMPTS = 5  # maximum number of connections for a file; each must receive some data
CHUNK = 1 << 20  # bytes read at a time


def fetch_weights(weights: PretrainedWeights, include_top: bool = True) -> pathlib.Path:
    """The local file of published weights, downloaded if necessary, with a verified checksum.

    Files are stored in `models/keras_resnet` of Keras's folder (`~/.keras`, or the environment variable KERAS_HOME).
    A file put there by hand is verified like a download. The checksum is computed only once, unless the
    file's size or modification time changes. Two environment variables set mirrors: HF_ENDPOINT for the Hugging Face
    hub, and KERAS_RESNET_MIRROR for the URL of a folder with the other files.

    Args:
        weights: a row of the table, from `find_weights`.
        include_top: False for the file without the classifier, if one is published.

    Raises:
        OSError: the file could not be downloaded; the message says from where, and where to put it by hand.
        ValueError: the checksum is wrong; the file is deleted.

    Example:
        >>> from keras_resnet.weights.downloads import fetch_weights
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> fetch_weights(find_weights("resnet18", "imagenet"))  # doctest: +SKIP
        PosixPath('/home/me/.keras/models/keras_resnet/timm--resnet18.a1_in1k/model.safetensors')
    """
    folder = pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models" / "keras_resnet"
    if weights.hub:
        path = folder / weights.hub.replace("/", "--") / weights.file
        fetch = functools.partial(_fetch_from_hub, weights.id, weights.hub, weights.file, path)
    else:
        url, published = _published_file(weights, include_top)
        path = folder / url.rsplit("/", 1)[1]
        fetch = functools.partial(_fetch_from_url, weights.id, url, published, path)
    if _is_verified(path):
        return path
    with _locked(path):
        # Another process may have downloaded the file meanwhile.
        if not _is_verified(path) and fetch():
            _with_suffix(path, ".verified").write_text(_state(path), encoding="utf-8")
    return path


def _published_file(weights: PretrainedWeights, include_top: bool) -> tuple[str, str]:
    """(URL, checksum) of a file that is not on the hub."""
    url, published = weights.url, weights.checksum
    if weights.url_notop and not include_top:
        url, published = weights.url_notop, weights.checksum_notop
    if not url or not published:
        raise ValueError(f"The weights {weights.id} have neither a hub nor a URL with a checksum.")
    mirror = os.environ.get("KERAS_RESNET_MIRROR")
    return f"{mirror.rstrip('/')}/{url.rsplit('/', 1)[1]}" if mirror else url, published


def _with_suffix(path: pathlib.Path, suffix: str) -> pathlib.Path:
    return path.with_name(path.name + suffix)


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Makes other processes of this machine wait while this one downloads `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _with_suffix(path, ".lock").open("w")
    except OSError as error:
        raise OSError(
            f"{path.parent} cannot be written ({error.strerror}); set KERAS_HOME to a writable folder."
        ) from error
    with lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(path: pathlib.Path) -> str:
    """Size and modification time, which are faster to compare than checksums."""
    status = path.stat()
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def _is_verified(path: pathlib.Path) -> bool:
    """Whether the file was verified and has not changed since."""
    try:
        return _with_suffix(path, ".verified").read_text(encoding="utf-8") == _state(path)
    except OSError:
        return False


def _verify(path: pathlib.Path, published: str) -> None:
    """Deletes the file and raises ValueError if its checksum is wrong."""
    algorithm, expected = published.split(":")
    found = checksum(path, algorithm)
    with path.open("rb") as file:
        page = file.read(64).lstrip().startswith(b"<")
    if not found.startswith(expected):  # torchvision publishes the first eight digits
        size = path.stat().st_size
        path.unlink()
        raise ValueError(
            f"{path.name.removesuffix('.part')} is not the published file: {algorithm} {expected} was expected, "
            f"{found} found{' (it looks like a web page)' if page else ''}. The file of {size} bytes was deleted; "
            "download it again."
        )


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None)
    return str(reason) if isinstance(reason, str) else first_line(reason or error)


def _unavailable(name: str, url: str, path: pathlib.Path, error: Exception, variable: str) -> OSError:
    """The error for a failed download; `variable` is the environment variable for a mirror."""
    return OSError(
        f"The weights {name} could not be downloaded from {url} ({_reason(error)}); "
        f"try again, set {variable} to a mirror, or put the file at {path} by hand."
    )


def _fetch_from_url(name: str, url: str, published: str, path: pathlib.Path) -> bool:
    """Downloads a file unless it exists, and verifies it; an unverified download never has the name `path`."""
    if path.exists():
        _verify(path, published)
        return True
    part = _with_suffix(path, ".part")
    # An earlier partial download may be of another file, which only the checksum shows; then start again from zero.
    for resumed in (part.exists(), False):
        try:
            _download(url, part)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: not a URL
            raise _unavailable(name, url, path, error, "KERAS_RESNET_MIRROR") from error
        try:
            _verify(part, published)
            break
        except ValueError:
            if not resumed:
                raise
    part.replace(path)
    return True


def _download(url: str, part: pathlib.Path) -> None:
    """Downloads the rest of a partial file, with a new connection whenever one breaks."""
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(part)
        try:
            _receive(url, part, before)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the server has no more data; the checksum tells whether the file is complete
                return
            raise
        except (OSError, http.client.HTTPException):
            if attempt == ATTEMPTS or _size(part) <= before:
                raise


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: pathlib.Path, start: int) -> None:
    """Writes one response to `part`: from byte `start`, or the whole file if the server does not support ranges.

    Raises:
        OSError: the connection failed or broke; `part` keeps the data received.
    """
    headers = {"User-Agent": "resnet-keras", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        done = start if resumes else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with part.open("ab" if resumes else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                _show_progress(part, done, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke after {done} of {total} bytes")


def _show_progress(part: pathlib.Path, done: int, total: int | None) -> None:
    """Shows the progress on a terminal, and nothing in a log file."""
    if sys.stderr is not None and sys.stderr.isatty():
        of_total = "" if total is None else f" of {total / 1e6:.0f}"
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{part.name.removesuffix('.part')}: {done / 1e6:.0f}{of_total} MB{end}")
        sys.stderr.flush()


def _fetch_from_hub(name: str, hub: str, file: str, path: pathlib.Path) -> bool:
    """Downloads a file from the Hugging Face hub unless it exists, and verifies it.

    Returns:
        Whether it was verified: False for an existing file if the hub cannot be reached.
    """
    import huggingface_hub  # here, because its import is slow

    endpoint = os.environ.get("HF_ENDPOINT") or None  # huggingface_hub reads it only once, on import
    url = huggingface_hub.hf_hub_url(hub, file, endpoint=endpoint)
    try:
        published = huggingface_hub.get_hf_file_metadata(url)
        sha256 = published.etag or ""  # the ETag of large files is their SHA-256
        if len(sha256) == 64 and not path.exists():
            huggingface_hub.hf_hub_download(
                hub, file, revision=published.commit_hash, local_dir=path.parent, endpoint=endpoint
            )
    except Exception as error:  # depending on the version, errors of requests, httpx, httpx2 or hf_xet
        if not path.exists():
            raise _unavailable(name, url, path, error, "HF_ENDPOINT") from error
        warnings.warn(
            f"{path} is used unverified: no checksum could be read from {url} ({_reason(error)}).", stacklevel=3
        )
        return False
    if len(sha256) != 64:
        raise OSError(f"{url} has the ETag {sha256!r}, not a SHA-256; set HF_ENDPOINT to another hub.")
    _verify(path, f"sha256:{sha256}")
    return True
