"""Sharded record sets, written by `prepare_records` or TFDS -> `Records`.

A record set of this package is a folder of TFRecord files and a manifest.json, which is written last: a folder without
it is incomplete.
"""

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_resnet.data.examples import Examples, Records

MANIFEST = "manifest.json"


def is_record_set(folder: pathlib.Path) -> bool:
    """Whether a folder was written by `prepare_records`, completely."""
    try:
        return (folder / MANIFEST).is_file()
    except (OSError, ValueError):  # no possible path
        return False


def from_record_set(
    folder: pathlib.Path, image_shape: tuple[int, int, int]
) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """The records of each split of a folder written by `prepare_records`, and the class names.

    Raises:
        ValueError: a shard is missing or its size differs from the manifest's, or the manifest is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        splits: dict[str, Examples] = {
            split: _split(folder, shards, image_shape) for split, shards in manifest["splits"].items()
        }
        return splits, tuple(manifest["class_names"])
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder / MANIFEST} is damaged ({error!r}); prepare the record set again.") from error


def _split(folder, shards, image_shape):
    for shard in shards:
        path = folder / shard["file"]
        if not path.is_file() or path.stat().st_size != shard["bytes"]:
            raise ValueError(f"{path} is missing or incomplete; prepare the record set again.")
    return records(
        [str(folder / shard["file"]) for shard in shards],
        [shard["count"] for shard in shards],
        image_shape,
        "".join(shard["sha256"] for shard in shards),
    )


def records(
    shards: Sequence[str], counts: Sequence[int], image_shape: tuple[int, int, int], checksum: str = ""
) -> Records:
    """All records of the given TFRecord files."""
    return Records(tuple(shards), tuple(counts), image_shape, np.ones(sum(counts), bool), checksum)
