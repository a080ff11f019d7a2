"""Sharded record sets: what `scripts/prepare_imagenet.py` writes, and TFDS's, as `Records`.

A record set is a folder of TFRecord files and a manifest.json, which is written last: a folder without it is not
whole.
"""

import json
import pathlib

import numpy as np

from keras_resnet.data.examples import Records

MANIFEST = "manifest.json"


def from_record_set(folder: pathlib.Path, image_shape) -> tuple[dict[str, Records], tuple[str, ...]]:
    """The records of each split of a folder that `scripts/prepare_imagenet.py` wrote, and the class names.

    Raises:
        ValueError: a shard is missing or not as long as the manifest says, or the manifest is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        splits = {split: _split(folder, split, shards, image_shape) for split, shards in manifest["splits"].items()}
        return splits, tuple(manifest["class_names"])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder / MANIFEST} is damaged ({error!r}); prepare the record set anew.") from error


def _split(folder, split, shards, image_shape):
    for shard in shards:
        path = folder / shard["file"]
        if not path.is_file() or path.stat().st_size != shard["bytes"]:
            raise ValueError(f"{path} is missing or not complete; prepare the record set anew.")
    return records(
        [str(folder / shard["file"]) for shard in shards],
        [shard["count"] for shard in shards],
        image_shape,
        "".join(shard["sha256"] for shard in shards),
    )


def records(shards, counts, image_shape, checksum="") -> Records:
    """All records of some TFRecord files."""
    return Records(tuple(shards), tuple(counts), image_shape, np.ones(sum(counts), bool), checksum)
