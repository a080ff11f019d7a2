"""`fetch_weights`: downloads and verifies the file of weights."""

import functools
import http.client
import os
import pathlib
import sys
import urllib.error
import urllib.request

from keras_resnet.weights.cache import TIMEOUT, fetch_once, matches, unavailable, verify, weights_folder, with_suffix
from keras_resnet.weights.hub import fetch_published
from keras_resnet.weights.pretrained import PretrainedWeights

ATTEMPTS = 5  # maximum number of connections for a file; each must receive some data
CHUNK = 1 << 20  # bytes read at a time
PACKAGED = pathlib.Path(__file__).with_name("files")  # folder of the files that come with this package


def fetch_weights(weights: PretrainedWeights, include_top: bool = True) -> pathlib.Path:
    """The local file of weights, downloaded if necessary, with a verified checksum.

    A file that comes with this package is read where it is installed. Downloaded files are stored in
    `models/keras_resnet` of Keras's folder (`~/.keras`, or the environment variable KERAS_HOME). A file put there by
    hand is verified like a download. Its checksum is computed only once, unless the file's size or modification time
    changes. Two environment variables set mirrors: HF_ENDPOINT for the Hugging Face hub, and KERAS_RESNET_MIRROR for
    the URL of a folder with the other files.

    Args:
        weights: a row of the table, from `find_weights`.
        include_top: False for the file without the classifier, if one is published.

    Raises:
        OSError: the file could not be downloaded; the message says from where, and where to put it by hand.
        ValueError: the checksum is wrong; a downloaded file is deleted.

    Example:
        >>> from keras_resnet.weights.downloads import fetch_weights
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> fetch_weights(find_weights("resnet18", "imagenet"))  # doctest: +SKIP
        PosixPath('/home/me/.keras/models/keras_resnet/timm--resnet18.a1_in1k/model.safetensors')
    """
    if weights.packaged:
        return _packaged_file(weights)
    if weights.hub:
        return fetch_published(weights.id, weights.hub, weights.file)
    url, published = _published_file(weights, include_top)
    path = weights_folder() / url.rsplit("/", 1)[1]
    return fetch_once(path, functools.partial(_fetch_from_url, weights.id, url, published, path))


def _packaged_file(weights: PretrainedWeights) -> pathlib.Path:
    """The file of weights that come with this package."""
    path = PACKAGED / weights.file
    if not (path.is_file() and weights.checksum and matches(path, weights.checksum)):
        raise ValueError(f"{path} is {'damaged' if path.is_file() else 'missing'}; install this package again.")
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


def _fetch_from_url(name: str, url: str, published: str, path: pathlib.Path) -> bool:
    """Downloads a file unless it exists, and verifies it; an unverified download never has the name `path`."""
    if path.exists():
        verify(path, published)
        return True
    part = with_suffix(path, ".part")
    # An earlier partial download may be of another file, which only the checksum shows; then start again from zero.
    for resumed in (part.exists(), False):
        try:
            _download(url, part)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: not a URL
            raise unavailable(name, url, path, error, "KERAS_RESNET_MIRROR") from error
        try:
            verify(part, published)
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
