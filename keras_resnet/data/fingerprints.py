"""Checksums that tell whether the files of a data set have changed."""

import concurrent.futures
import hashlib
import os
import pathlib
from collections.abc import Sequence

from keras_resnet.files import checksum

CONTENT_READ = 2**30  # bytes of the files of a split whose content enters the fingerprint; 1 GiB


def fingerprint_of_files(files: Sequence[pathlib.Path], names: Sequence[str], content_read: int = CONTENT_READ) -> str:
    """A checksum of the name and size of every file, and of the content of about `content_read` bytes of them.

    The files that are read are evenly spaced; if all together are not larger than `content_read`, all are read. A file
    that cannot be read is not an error; it only changes the checksum.

    Args:
        files: paths of the files.
        names: what to call each file in the checksum.
        content_read: bytes to read, about.

    Example:
        >>> import pathlib
        >>> from keras_resnet.data.fingerprints import fingerprint_of_files
        >>> pathlib.Path("empty").touch()
        >>> fingerprint_of_files([pathlib.Path("empty")], ["empty"])[:8]
        '001b4652'
    """
    sizes = [_size(file) for file in files]
    every = max(1, -(-sum(sizes) // content_read))
    with concurrent.futures.ThreadPoolExecutor() as pool:  # reading from a network is slow, and hashing needs no GIL
        contents = pool.map(_content, files[::every])
        digest = hashlib.sha256()
        for name, size in zip(names, sizes, strict=True):
            digest.update(os.fsencode(f"{name}:{size}\n"))
        for content in contents:
            digest.update(f"{content}\n".encode())
    return digest.hexdigest()


def _size(file):
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _content(file):
    try:
        return checksum(file)
    except OSError as error:
        return f"unreadable ({error.errno})"
