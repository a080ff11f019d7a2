"""A data set that TFDS has prepared, or can prepare -> the examples of each split."""

import os
import pathlib

import tensorflow as tf

from keras_resnet.data.examples import Arrays, Examples
from keras_resnet.data.records import records

SPLITS = ("train", "validation", "test")  # as TFDS, and this package, names them


def from_tfds(name, data_dir, download: bool, manual_dir, image_shape) -> tuple[str, dict[str, Examples], tuple]:
    """(name and version, the examples of each split, class names) of a TFDS data set; prepares it first if asked.

    Images of one size are read into memory, others stay in TFDS's files.

    Raises:
        FileNotFoundError: it is not prepared; says where it looked and how to get it.
        ValueError: it has no images and labels, or is damaged.
    """
    folder = _find_prepared(name, data_dir)
    if folder is None and not (download or manual_dir):
        raise FileNotFoundError(_how_to_get(name, data_dir))
    import tensorflow_datasets as tfds

    if folder is None:
        builder = tfds.builder(name, data_dir=data_dir)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    else:
        builder = tfds.builder_from_directory(folder)
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise ValueError(f"{name} is not a data set of images and labels.")
    one_size = None not in features["image"].shape
    splits = {
        split: _whole_split(builder, split) if one_size else _records(builder, split, image_shape)
        for split in SPLITS
        if split in builder.info.splits
    }
    return f"{name} {builder.version}", splits, tuple(features["label"].names)


def _whole_split(builder, split):
    try:
        whole = builder.as_dataset(split=split, batch_size=-1)
    except tf.errors.OpError as error:
        raise ValueError(f"{builder.data_path} is damaged: {error.message}; prepare {builder.name} anew.") from error
    return Arrays(whole["image"].numpy(), whole["label"].numpy().astype("int32"))


def _records(builder, split, image_shape):
    info = builder.info.splits[split]
    if builder.info.file_format.value != "tfrecord":
        raise ValueError(
            f"{builder.data_path} holds {builder.info.file_format.value} files; prepare {builder.name} as tfrecord."
        )
    paths = [str(path) for path in info.filepaths]
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise ValueError(f"{missing[0]} is missing; prepare {builder.name} anew.")
    return records(paths, info.shard_lengths, image_shape)


def _root(data_dir):
    return pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _find_prepared(name, data_dir):
    """The folder of the newest prepared version of `name`, or None. Imports nothing, so is quick."""
    base, _, version = name.partition(":")
    found = [info.parent for info in (_root(data_dir) / base).glob(f"{version or '*'}/dataset_info.json")]
    return max(found, key=lambda folder: [int(part) for part in folder.name.split(".") if part.isdigit()], default=None)


def _how_to_get(name, data_dir):
    root = _root(data_dir).resolve()
    prepared = sorted({info.parts[-3] for info in root.glob("*/*/dataset_info.json")})
    there = f"there: {', '.join(prepared)}" if prepared else "nothing is prepared there"
    return (
        f"No prepared data set {name!r} in {root} ({there}). Point data_dir at the folder that holds "
        f"{name.partition(':')[0]}/<version>, or let TFDS fetch it: load_data({name!r}, download=True), "
        "--download on a script's command line."
    )
