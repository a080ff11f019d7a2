"""fetch_weights(): a published weight file, downloaded whole and verified, or not at all."""

import contextlib
import http.client
import os
import pathlib
import sys
import urllib.request
import warnings

from keras_resnet.errors import first_line
from keras_resnet.files import checksum
from keras_resnet.weights.pretrained import PretrainedWeights

try:
    import fcntl
except ImportError:  # Windows: processes that fetch the same file at once are not kept apart there
    fcntl = None
TIMEOUT = 30  # seconds without a byte after which a connection counts as lost
ATTEMPTS = 5  # connections to download one file, as long as each brings something
CHUNK = 1 << 20  # bytes read at a time


def fetch_weights(weights: PretrainedWeights, include_top: bool = True) -> pathlib.Path:
    """The local file of published weights, downloaded unless it is there, its checksum verified.

    Files lie in `models/keras_resnet` of Keras's folder (`~/.keras`, or what the environment variable KERAS_HOME
    names). A file put there by hand is verified like a download; its checksum is computed once, and again only when
    its size or time changes. Mirrors: HF_ENDPOINT names another hub, and KERAS_RESNET_MIRROR a URL under
    which the other files lie.

    Args:
        weights: what `find_weights` returns.
        include_top: False for the file without the classifier, where one is published; else the same file.

    Raises:
        OSError: the file cannot be downloaded; says from where, and where to put it by hand.
        ValueError: the checksum is wrong; the file is deleted.
        ImportError: the package huggingface_hub is missing, for weights on the hub.

    Example:
        >>> from keras_resnet.weights.downloads import fetch_weights
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> fetch_weights(find_weights("resnet18", "imagenet"))  # doctest: +SKIP
        PosixPath('/home/me/.keras/models/keras_resnet/timm--resnet18.a1_in1k/model.safetensors')
    """
    path, url, published = _place(weights, include_top)
    if _is_remembered(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(_beside(path, ".lock"), "w")  # noqa: SIM115 (_alone closes it)
    except OSError as error:
        raise OSError(
            f"{path.parent} cannot be written ({error.strerror}); set KERAS_HOME to a folder that can."
        ) from error
    with _alone(lock):
        if _is_remembered(path):  # another process fetched it meanwhile
            return path
        verified = True
        if weights.hub:
            verified = _fetch_from_hub(weights, path)
        else:
            _fetch_from_url(weights.id, url, path, published)
        if verified:
            _beside(path, ".verified").write_text(_state(path), encoding="utf-8")
    return path


def _place(weights, include_top):
    """(local path, URL, checksum) of the file; the latter two None for the hub's."""
    home = pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    folder = home / "models" / "keras_resnet"
    if weights.hub:
        return folder / weights.hub.replace("/", "--") / weights.file, None, None
    notop = not include_top and weights.url_notop
    url, published = (weights.url_notop, weights.checksum_notop) if notop else (weights.url, weights.checksum)
    name = url.rsplit("/", 1)[1]
    mirror = os.environ.get("KERAS_RESNET_MIRROR")
    return folder / name, f"{mirror.rstrip('/')}/{name}" if mirror else url, published


def _beside(path, suffix):
    return path.with_name(path.name + suffix)


@contextlib.contextmanager
def _alone(lock):
    """Keeps other processes of this machine out."""
    with lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(path):
    """What changes with the content, for less than a checksum."""
    status = path.stat()
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def _is_remembered(path):
    """Whether the file was verified, and is still the same."""
    try:
        return _beside(path, ".verified").read_text(encoding="utf-8") == _state(path)
    except OSError:
        return False


def _verify(path, published):
    """Deletes the file and raises ValueError where the checksum is another."""
    algorithm, expected = published.split(":")
    found = checksum(path, algorithm)
    with open(path, "rb") as file:
        page = file.read(64).lstrip().startswith(b"<")
    if not found.startswith(expected):  # torchvision publishes the first eight digits
        size = path.stat().st_size
        path.unlink()
        raise ValueError(
            f"{path.name.removesuffix('.part')} is not the published file: {algorithm} {expected} was expected, "
            f"{found} found{' in what looks like a page' if page else ''} ({size} bytes, now deleted); fetch it again."
        )


def _reason(error):
    """What went wrong on the way, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None)
    return str(reason) if isinstance(reason, str) else first_line(reason or error)


def _unavailable(name, url, path, error, variable):
    """The error where a download failed; `variable` names the mirror."""
    return OSError(
        f"The weights {name} cannot be downloaded from {url} ({_reason(error)}); "
        f"try again, name a mirror in {variable}, or put the file at {path} by hand."
    )


# ---------------------------------------------------------------------------------------------
# From a URL
def _fetch_from_url(name, url, path, published):
    """Makes `path` the verified file; nothing else ever has this name."""
    if path.exists():
        _verify(path, published)
        return
    part = _beside(path, ".part")
    # What an earlier call left may belong to another file, which shows only in the end: then once more, from zero.
    for resumed in (part.exists(), False):
        try:
            _download(url, part)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no URL
            raise _unavailable(name, url, path, error, "KERAS_RESNET_MIRROR") from error
        try:
            _verify(part, published)
            break
        except ValueError:
            if not resumed:
                raise
    os.replace(part, path)


def _download(url, part):
    """Appends to `part` what the URL has beyond it, over several connections if they break."""
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(part)
        try:
            return _receive(url, part, before)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # nothing beyond it: the checksum tells whether it is the file
                return None
            raise
        except (OSError, http.client.HTTPException):
            if attempt == ATTEMPTS or _size(part) <= before:
                raise


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _receive(url, part, start):
    """Writes one response to `part`: from byte `start`, or all of it where the server knows no ranges.

    Raises:
        OSError: no connection, or it broke; what had come is in `part`.
    """
    headers = {"User-Agent": "resnet-keras", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        done = start if goes_on else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with open(part, "ab" if goes_on else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                _show(part, done, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke after {done} of {total} bytes")


def _show(part, done, total):
    """Progress on a terminal; nothing in a log."""
    if sys.stderr is not None and sys.stderr.isatty():
        of = "" if total is None else f" of {total / 1e6:.0f}"
        end = "\n" if done == total else ""
        print(f"\r{part.name.removesuffix('.part')}: {done / 1e6:.0f}{of} MB", end=end, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------
# From the Hugging Face hub
def _fetch_from_hub(weights, path) -> bool:
    """Makes `path` the hub's file; False where it was put there by hand and the hub cannot be asked about it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"The weights {weights.id} need the package huggingface_hub (pip install 'resnet-keras[weights]')."
        ) from error
    endpoint = os.environ.get("HF_ENDPOINT") or None  # huggingface_hub itself reads it only when imported
    url = huggingface_hub.hf_hub_url(weights.hub, weights.file, endpoint=endpoint)
    try:
        published = huggingface_hub.get_hf_file_metadata(url)
        sha256 = published.etag or ""  # as the hub has it for large files
        if len(sha256) == 64 and not path.exists():
            huggingface_hub.hf_hub_download(
                weights.hub, weights.file, revision=published.commit_hash, local_dir=path.parent, endpoint=endpoint
            )
    except Exception as error:  # the client's, and by its version those of requests, httpx, httpx2 or hf_xet
        if not path.exists():
            raise _unavailable(weights.id, url, path, error, "HF_ENDPOINT") from error
        warnings.warn(
            f"{path} is used unverified: {url} cannot be asked for its checksum ({_reason(error)}).", stacklevel=3
        )
        return False
    if len(sha256) != 64:
        raise OSError(f"{url} states no SHA-256 (but the etag {sha256!r}); name another hub in HF_ENDPOINT.")
    _verify(path, f"sha256:{sha256}")
    return True
