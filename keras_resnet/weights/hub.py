"""Weights on the Hugging Face Hub: timm's, and the files of any repository, by an address `hf://owner/name`."""

import dataclasses
import functools
import os
import pathlib
import re
import warnings
from collections.abc import Collection
from typing import TypeGuard

from keras_resnet.errors import shown
from keras_resnet.weights.cache import (
    TIMEOUT,
    fetch_once,
    is_verified,
    locked,
    mark_verified,
    matches,
    reason,
    unavailable,
    verify,
    weights_folder,
)
from keras_resnet.weights.formats import READERS

SCHEME = "hf:"
FORMS = "hf://owner/name, hf://owner/name@revision, or one of these with /file"
# The hub allows at most 96 characters for an owner and for a name.
ADDRESS = re.compile(
    r"hf://(?P<repository>\w[\w.-]{0,95}/\w[\w.-]{0,95})(@(?P<revision>([\w.-]|%2F){1,99}))?(/(?P<file>.+))?", re.ASCII
)
COMMIT = re.compile("[0-9a-f]{40}")
LONGEST_FILE = 200  # characters of a file's path in its repository
USUAL_FILE = "model.safetensors"
USUAL_SUFFIXES = (".keras", ".safetensors")
LISTED = 8  # files that an error lists


@dataclasses.dataclass(frozen=True)
class HubAddress:
    """A weight file of a repository of the Hugging Face Hub, or the repository whose only weight file is meant.

    Attributes:
        repository: "owner/name".
        revision: branch, tag, or commit; None for the default branch.
        file: path in the repository; None for its model.safetensors, or its only .keras or .safetensors file.

    Example:
        >>> from keras_resnet.weights.hub import HubAddress
        >>> HubAddress.parse("hf://me/flowers@v1/best.keras")
        HubAddress(repository='me/flowers', revision='v1', file='best.keras')
    """

    repository: str
    revision: str | None
    file: str | None

    @classmethod
    def parse(cls, address: str) -> "HubAddress":
        """The parts of an address. A slash in a revision is written %2F.

        Raises:
            ValueError: it has another form, or the file does not have the suffix of a weight file.
        """
        match = ADDRESS.fullmatch(address)
        if match is None or re.search(r"--|\.\.", match["repository"]):
            raise ValueError(f"{shown(address)} is not an address on the Hugging Face Hub; write {FORMS}.")
        repository, revision, file = match["repository"], match["revision"], match["file"]
        if file is not None and not _is_weight_file(file):
            raise ValueError(f"The file of {shown(address)} must be a weight file: {', '.join(READERS)}.")
        return cls(repository, revision and revision.replace("%2F", "/"), file)

    def __str__(self) -> str:
        revision = f"@{self.revision.replace('/', '%2F')}" if self.revision else ""
        return f"hf://{self.repository}{revision}" + (f"/{self.file}" if self.file else "")

    @property
    def folder(self) -> pathlib.Path:
        """Where its files are stored."""
        name = self.repository.replace("/", "--")
        return weights_folder() / (f"{name}@{self.revision.replace('/', '--')}" if self.revision else name)


def is_hub_address(source: object) -> TypeGuard[str]:
    """Whether a source of weights is, or is meant as, an address on the Hugging Face Hub.

    Example:
        >>> from keras_resnet.weights.hub import is_hub_address
        >>> is_hub_address("hf://me/flowers"), is_hub_address("flowers.keras")
        (True, False)
    """
    return isinstance(source, str) and source.startswith(SCHEME)


def fetch_from_hub(address: str) -> pathlib.Path:
    """The local copy of a file on the Hugging Face Hub, verified by the checksum that the hub states.

    The file is downloaded again whenever the hub has another version of it. A file of a commit, which never changes, is
    not looked up a second time. Without a connection, the copy of an earlier download is used, with a warning.

    Args:
        address: see `HubAddress`.

    Raises:
        ValueError: the address has another form, the repository has several weight files and none is named, or the
            checksum is wrong.
        FileNotFoundError: the repository, the revision, or the file does not exist.
        OSError: the file could not be downloaded; the message says from where, and where to put it by hand.

    Example:
        >>> from keras_resnet.weights.hub import fetch_from_hub
        >>> fetch_from_hub("hf://me/flowers@v1")  # doctest: +SKIP
        PosixPath('/home/me/.keras/models/keras_resnet/me--flowers@v1/model.safetensors')
    """
    place = HubAddress.parse(address)
    if place.file and COMMIT.fullmatch(place.revision or "") and is_verified(place.folder / place.file):
        return place.folder / place.file
    try:
        commit, checksums = _weight_files(place)
    except FileNotFoundError:
        raise
    except Exception as error:  # depending on the version, errors of requests, httpx or httpx2
        return _downloaded_before(place, error)
    file = place.file or _only_file(place, checksums)
    if file not in checksums:
        others = _listed(checksums) or "none"
        raise FileNotFoundError(f"{_url(place)} has no file {file}; its weight files are: {others}.")
    path = place.folder / file
    with locked(path):
        if not (path.is_file() and matches(path, checksums[file])):
            _download(place, commit, path)
            verify(path, checksums[file])
        mark_verified(path)
    return path


def _is_weight_file(file: str) -> bool:
    """Whether this is the path of a weight file inside a folder, without a way out of it."""
    parts = file.split("/")
    return (
        file.endswith(tuple(READERS))
        and len(file) <= LONGEST_FILE
        and file.isprintable()
        and not any(part in ("", ".", "..") or "\\" in part for part in parts)
    )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None  # huggingface_hub reads it only once, on import


def _url(place: HubAddress) -> str:
    import huggingface_hub

    return f"{_endpoint() or huggingface_hub.constants.ENDPOINT}/{place.repository}"


def _weight_files(place: HubAddress) -> tuple[str, dict[str, str]]:
    """The commit that a revision stands for, and the checksums of its weight files by their paths.

    Raises:
        FileNotFoundError: the repository or the revision does not exist.
        Exception: the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    hub = huggingface_hub.HfApi(endpoint=_endpoint())
    try:
        info = hub.model_info(place.repository, revision=place.revision, files_metadata=True, timeout=TIMEOUT)
    except RevisionNotFoundError as error:
        raise FileNotFoundError(f"{_url(place)} has no revision {place.revision!r}.") from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"There is no repository {_url(place)}, or it is private; set HF_TOKEN to read private ones."
        ) from error
    checksums = {
        # Large files have a SHA-256, the others only their id in git.
        file.rfilename: f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob_id}"
        for file in info.siblings or ()
        if _is_weight_file(file.rfilename)
    }
    return info.sha or "main", checksums


def _only_file(place: HubAddress, files: Collection[str]) -> str:
    """The file of a repository that an address without a file means.

    Raises:
        FileNotFoundError: there is no `.keras` or `.safetensors` file.
        ValueError: there are several.
    """
    if USUAL_FILE in files:
        return USUAL_FILE
    usual = [file for file in files if file.endswith(USUAL_SUFFIXES)]
    if len(usual) == 1:
        return usual[0]
    if usual:
        raise ValueError(f"{place} has {len(usual)} weight files; add the name of one: {_listed(usual)}.")
    others = f"; add the name of another weight file: {_listed(files)}" if files else ""
    raise FileNotFoundError(f"{place} has no {' or '.join(USUAL_SUFFIXES)} file{others}.")


def _listed(files: Collection[str]) -> str:
    return ", ".join([*files][:LISTED]) + (", ..." if len(files) > LISTED else "")


def _download(place: HubAddress, commit: str, path: pathlib.Path) -> None:
    import huggingface_hub

    try:
        huggingface_hub.hf_hub_download(
            place.repository,
            path.relative_to(place.folder).as_posix(),
            revision=commit,
            local_dir=place.folder,
            endpoint=_endpoint(),
            force_download=path.exists(),  # otherwise an older or damaged copy may be taken for the file
        )
    except Exception as error:  # depending on the version, errors of requests, httpx, httpx2 or hf_xet
        raise unavailable(str(place), _url(place), path, error, "HF_ENDPOINT") from error


def _downloaded_before(place: HubAddress, error: Exception) -> pathlib.Path:
    """The file of an earlier download, or put there by hand, with a warning; or the error why there is none."""
    files = [path.relative_to(place.folder).as_posix() for path in place.folder.rglob("*") if path.is_file()]
    found = [file for file in files if _is_weight_file(file)]
    file = place.file or (_only_file(place, found) if found else USUAL_FILE)
    path = place.folder / file
    if file not in found:
        raise unavailable(str(place), _url(place), path, error, "HF_ENDPOINT") from error
    state = "as it was downloaded before" if is_verified(path) else "unverified"
    warnings.warn(f"{path} is used {state}: {_url(place)} cannot be read ({reason(error)}).", stacklevel=4)
    return path


def fetch_published(name: str, repository: str, file: str) -> pathlib.Path:
    """The local copy of a published file, as `fetch_weights` returns it; a verified copy is not looked up again.

    Args:
        name: the id of the weights, for messages.
        repository: "owner/name".
        file: its path there.
    """
    path = HubAddress(repository, None, file).folder / file
    return fetch_once(path, functools.partial(_fetch_published, name, repository, file, path))


def _fetch_published(name: str, hub: str, file: str, path: pathlib.Path) -> bool:
    """Downloads a file from the Hugging Face hub unless it exists, and verifies it.

    Returns:
        Whether it was verified: False for an existing file if the hub cannot be reached.
    """
    import huggingface_hub  # here, because its import is slow

    endpoint = _endpoint()
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
            raise unavailable(name, url, path, error, "HF_ENDPOINT") from error
        warnings.warn(
            f"{path} is used unverified: no checksum could be read from {url} ({reason(error)}).", stacklevel=3
        )
        return False
    if len(sha256) != 64:
        raise OSError(f"{url} has the ETag {sha256!r}, not a SHA-256; set HF_ENDPOINT to another hub.")
    verify(path, f"sha256:{sha256}")
    return True
