"""Published weights: which there are, how they were tested, and a verified local file of them.

pretrained.json holds a row for each published file of a variant; `imagenet` means the variant's default row: timm's
own default tag (torchvision's second recipe where that is its first), or keras.applications' file where timm has
none. Defaults have a licence that allows any use. Nothing here builds a model or reads a tensor.
"""

import contextlib
import dataclasses
import fnmatch
import functools
import hashlib
import http.client
import importlib.resources
import json
import os
import pathlib
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping

from keras_resnet.names import unknown_name
from keras_resnet.variants import VARIANTS

try:
    import fcntl
except ImportError:  # Windows: processes that fetch the same file at once are not kept apart there
    fcntl = None

TIMEOUT = 30  # seconds without a byte after which a connection counts as lost
ATTEMPTS = 5  # connections to download one file, as long as each brings something
CHUNK = 1 << 20  # bytes read at a time


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """A published weight file, and how its publisher tests it.

    Attributes:
        id: "source/variant.tag", the key of the table.
        variant: the name for `create_model`, and `options` what to add to it.
        naming: key of `keras_resnet.naming.NAMINGS`.
        file: name of the file.
        input_size: side of the square test images, in pixels.
        crop_fraction: share of the resized image's short side that the centre crop takes.
        interpolation: of that resize: "bilinear" or "bicubic".
        mean: of the channels red, green, blue, in units of 0 to 255.
        std: what they are divided by, likewise.
        licence: SPDX name in lower case as the publisher states it, or None: not stated.
        hub: repository on the Hugging Face hub, or None: the file is at `url`.
        url: where the file is published.
        checksum: "sha256:" or "md5:" and (the first) hexadecimal digits as published; None: the hub states it.
        url_notop: of the file without the classifier, where there is one; `checksum_notop` likewise.
        options: of the model beyond the variant's own.
        channel_order: "bgr" where the kernels of the first convolution expect blue first; else "rgb".
        classes: number of classes; `class_names` is the name of their list.
        top1: published accuracy on ImageNet's validation images, in percent; None: not in the publisher's package.
        top5: likewise.
        note: what else to know.
        default: whether "imagenet" means this row.
    """

    id: str
    variant: str
    naming: str
    file: str
    input_size: int
    crop_fraction: float
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str | None = None
    hub: str | None = None
    url: str | None = None
    checksum: str | None = None
    url_notop: str | None = None
    checksum_notop: str | None = None
    options: Mapping = dataclasses.field(default_factory=dict)
    channel_order: str = "rgb"
    classes: int = 1000
    class_names: str = "imagenet-1k"
    top1: float | None = None
    top5: float | None = None
    note: str = ""
    default: bool = False


# ---------------------------------------------------------------------------------------------
# The table


@functools.cache
def _table() -> dict[str, PretrainedWeights]:
    text = importlib.resources.files("keras_resnet").joinpath("pretrained.json").read_text(encoding="utf-8")
    return {
        name: PretrainedWeights(id=name, **{**row, "mean": tuple(row["mean"]), "std": tuple(row["std"])})
        for name, row in json.loads(text).items()
    }


def list_weights(variant_pattern: str = "*") -> list[str]:
    """The ids of the published weights of the variants that match a shell pattern, in the table's order.

    Example:
        >>> from keras_resnet.pretrained import list_weights
        >>> list_weights("wide_resnet101*")
        ['timm/wide_resnet101_2.tv2_in1k', 'timm/wide_resnet101_2.tv_in1k', \
'torchvision/wide_resnet101_2.IMAGENET1K_V1', 'torchvision/wide_resnet101_2.IMAGENET1K_V2']
    """
    return [name for name, row in _table().items() if fnmatch.fnmatchcase(row.variant, variant_pattern)]


def find_weights(variant: str, name: str) -> PretrainedWeights:
    """The row of the table that a name means for a variant.

    Args:
        variant: a name that `list_models()` lists.
        name: "imagenet" for the variant's default, an id as of `list_weights()`, or an id without the variant, as
            "torchvision/IMAGENET1K_V2" or "keras".

    Raises:
        ValueError: no such variant or weights (the message lists the nearest), weights of another variant (it names
            that), or a variant without published weights.

    Example:
        >>> from keras_resnet.pretrained import find_weights
        >>> find_weights("resnet50", "imagenet").id
        'timm/resnet50.a1_in1k'
        >>> find_weights("resnet50", "torchvision/IMAGENET1K_V2").top1
        80.858
    """
    if variant not in VARIANTS:
        raise unknown_name("model", variant, VARIANTS)
    rows = {row.id: row for row in _table().values() if row.variant == variant}
    for row in rows.values():
        if name in (row.id, _without_variant(row)) or (name == "imagenet" and row.default):
            return row
    if name in _table():
        other = _table()[name].variant
        raise ValueError(f"The weights {name!r} are for {other!r}, not {variant!r}; build {other!r} for them.")
    if not rows:
        raise ValueError(f"No weights of {variant!r} are published; list_weights() lists those of other variants.")
    raise unknown_name(f"weights of {variant!r}:", name, ["imagenet", *rows])


def _without_variant(row):
    source, rest = row.id.split("/")
    tag = rest.removeprefix(row.variant).removeprefix(".")
    return f"{source}/{tag}" if tag else source


# ---------------------------------------------------------------------------------------------
# The file


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
        >>> from keras_resnet.pretrained import fetch_weights, find_weights
        >>> fetch_weights(find_weights("resnet18", "imagenet"))  # doctest: +SKIP
        PosixPath('/home/me/.keras/models/keras_resnet/timm--resnet18.a1_in1k/model.safetensors')
    """
    path, url, checksum = _place(weights, include_top)
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
            _fetch_from_url(weights.id, url, path, checksum)
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
    url, checksum = (weights.url_notop, weights.checksum_notop) if notop else (weights.url, weights.checksum)
    name = url.rsplit("/", 1)[1]
    mirror = os.environ.get("KERAS_RESNET_MIRROR")
    return folder / name, f"{mirror.rstrip('/')}/{name}" if mirror else url, checksum


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


def _verify(path, checksum):
    """Deletes the file and raises ValueError where the checksum is another."""
    algorithm, expected = checksum.split(":")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
        file.seek(0)
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
    text = str(getattr(error, "reason", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _unavailable(name, url, path, error, variable):
    """The error where a download failed; `variable` names the mirror."""
    return OSError(
        f"The weights {name} cannot be downloaded from {url} ({_reason(error)}); "
        f"try again, name a mirror in {variable}, or put the file at {path} by hand."
    )


# ---------------------------------------------------------------------------------------------
# From a URL


def _fetch_from_url(name, url, path, checksum):
    """Makes `path` the verified file; nothing else ever has this name."""
    if path.exists():
        _verify(path, checksum)
        return
    part = _beside(path, ".part")
    # What an earlier call left may belong to another file, which shows only in the end: then once more, from zero.
    for resumed in (part.exists(), False):
        try:
            _download(url, part)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no URL
            raise _unavailable(name, url, path, error, "KERAS_RESNET_MIRROR") from error
        try:
            _verify(part, checksum)
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
