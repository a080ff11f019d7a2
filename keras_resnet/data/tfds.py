"""A data set of TensorFlow Datasets (TFDS) -> the examples of each split."""

import logging
import os
import pathlib

import tensorflow as tf

from keras_resnet.choices import SPLITS
from keras_resnet.data.autotuning import without_autotuning
from keras_resnet.data.examples import Arrays, Examples
from keras_resnet.data.records import records

logger = logging.getLogger(__name__)


def from_tfds(
    name: str,
    data_dir: str | os.PathLike | None,
    download: bool,
    manual_dir: str | os.PathLike | None,
    image_shape: tuple[int, int, int],
) -> tuple[str, dict[str, Examples], tuple[str, ...]]:
    """Opens a TFDS data set, and prepares it first if asked to.

    Images that all have one size are read into memory; others stay in TFDS's files.

    Args:
        name: of the data set, with or without ":version".
        data_dir: folder of prepared data sets; default `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.
        download: whether TFDS may download and prepare a data set that is not prepared.
        manual_dir: folder of archives from which TFDS prepares the data set.
        image_shape: (height, width, channels) of the model's input, for images of different sizes.

    Returns:
        (name and version, the examples of each split, class names).

    Raises:
        FileNotFoundError: the data set is not prepared; the message says where it should be and how to get it.
        ValueError: it does not have images and labels, or is damaged.
    """
    folder = find_prepared(name, data_dir)
    if folder is None and not (download or manual_dir):
        raise FileNotFoundError(_how_to_get(name, data_dir))
    import tensorflow_datasets as tfds

    if folder is None:
        builder = tfds.builder(name, data_dir=data_dir)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    else:
        builder = tfds.builder_from_directory(folder)
    features = builder.info.features
    if not {"image", "label"} <= set(features) or not isinstance(features["label"], tfds.features.ClassLabel):
        raise ValueError(f"{name} is not a data set of images and labels.")
    one_size = None not in features["image"].shape
    splits: dict[str, Examples] = {
        split: _whole_split(builder, split) if one_size else _records(builder, split, image_shape)
        for split in SPLITS
        if split in builder.info.splits
    }
    for split in [split for split in splits if not _has_labels(splits[split])]:
        logger.info("Left out the %s split of %s, which has no labels.", split, name)
        del splits[split]
    return f"{name} {builder.version}", splits, tuple(features["label"].names)


def _has_labels(examples: Examples) -> bool:
    """Whether the first label is a class. TFDS has -1 where the publisher keeps the labels, as of ImageNet's test."""
    try:
        first = next(iter(without_autotuning(examples.handles().take(1))), None)
        return first is None or int(examples.label(first)) >= 0
    except tf.errors.OpError:
        return True  # of a damaged file, which a later read explains


def _whole_split(builder, split):
    try:
        whole = builder.as_dataset(split=split, batch_size=-1)
    except tf.errors.OpError as error:
        raise ValueError(f"{builder.data_path} is damaged: {error.message}; prepare {builder.name} again.") from error
    return Arrays(whole["image"].numpy(), whole["label"].numpy().astype("int32"))


def _records(builder, split, image_shape):
    info = builder.info.splits[split]
    if builder.info.file_format.value != "tfrecord":
        raise ValueError(
            f"{builder.data_path} contains {builder.info.file_format.value} files; prepare {builder.name} as tfrecord."
        )
    paths = [str(path) for path in info.filepaths]
    missing = [path for path in paths if not pathlib.Path(path).exists()]
    if missing:
        raise ValueError(f"{missing[0]} is missing; prepare {builder.name} again.")
    return records(paths, info.shard_lengths, image_shape)


def _root(data_dir):
    return pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find_prepared(name: str, data_dir: str | os.PathLike | None) -> pathlib.Path | None:
    """The folder of the newest prepared version of a data set, or None. Fast, because it does not import TFDS.

    Args:
        name: as for `from_tfds`.
        data_dir: likewise.
    """
    base, _, version = name.partition(":")
    found = [info.parent for info in (_root(data_dir) / base).glob(f"{version or '*'}/dataset_info.json")]
    return max(found, key=lambda folder: [int(part) for part in folder.name.split(".") if part.isdigit()], default=None)


def _how_to_get(name, data_dir):
    root = _root(data_dir).resolve()
    infos = (info for versions in ("*/*", "*/*/*") for info in root.glob(f"{versions}/dataset_info.json"))
    prepared = sorted({info.parent.parent.relative_to(root).as_posix() for info in infos})  # with configurations
    found = f"found there: {', '.join(prepared)}" if prepared else "no data set is prepared there"
    folder = f" To read the folder {name}, write load_data({f'{name}/'!r}), or --data_dir={name} on the command line."
    return (
        f"No prepared data set {name!r} in {root} ({found}). Set data_dir to the folder that contains "
        f"{name.partition(':')[0]}/<version>, or let TFDS download it: load_data({name!r}, download=True), or "
        f"--download on the command line.{folder if os.path.isdir(name) else ''}"  # noqa: PTH112 (False for any text)
    )
