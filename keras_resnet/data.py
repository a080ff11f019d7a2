"""A TFDS name or arrays -> `Data`: examples to train, validate and test on, and their class names."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_resnet import augmentation, photos
from keras_resnet.recipes import Recipe, get_recipe

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images (N, H, W, C), uint8 or float32 in 0 to 255, and their labels (N,), int32 from 0."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, indices) -> "Examples":
        """The examples at `indices`, in that order."""
        return Examples(self.images[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True)
class Data:
    """What a model is trained and judged on. `validation` and `test` may be missing.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> sorted(data.splits)
        ['train']
    """

    name: str
    train: Examples
    validation: Examples | None
    test: Examples | None
    class_names: tuple[str, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.train.images.shape[1:]

    @property
    def splits(self) -> dict[str, Examples]:
        """The splits that there are, by name."""
        named = {split: getattr(self, split) for split in SPLITS}
        return {split: examples for split, examples in named.items() if examples is not None}

    def mean_image(self) -> np.ndarray:
        """The mean training image, float64 (H, W, C): the paper's "per-pixel mean"."""
        return self.train.images.mean(axis=0, dtype="float64")


def load_data(
    source,
    recipe: str | Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
    image_size: int | None = None,
    class_names: Sequence[str] | None = None,
) -> Data:
    """Loads a data set into memory and splits it as the recipe says.

    Args:
        source: the name of a TFDS data set whose images have one size, as "cifar10"; or arrays:
            `(images, labels)`, `((images, labels), (test images, test labels))` as
            `keras.datasets` gives them, or a dict of such pairs by "train", "validation", "test".
            Images are (N, H, W, C), RGB or grey, in 0 to 255; labels are class numbers from 0.
            Or the path (a `pathlib.Path`, or with a slash in it) of a folder of photos: `<class>/*`, or
            `train/<class>/*` with `val/<class>/*`, and perhaps `test/<class>/*`.
        recipe: a recipe or its name. Its `validation_fraction` and `seed` choose the images held
            out from training, where the source has no validation split of its own.
        data_dir: folder of prepared TFDS data sets; default `TFDS_DATA_DIR`, else
            `~/tensorflow_datasets`.
        download: whether TFDS may fetch and prepare a data set that is not there.
        image_size: of a folder's photos: the short side is resized to it, and the centre cropped.
        class_names: of the arrays; default "0", "1", ...

    Raises:
        FileNotFoundError: the data set is not prepared; says where it looked and how to get it. Or no such folder.
        ValueError: arrays that do not fit each other, a damaged data set, or a folder that is not laid out so.

    Example:
        >>> import numpy as np, keras_resnet
        >>> images, labels = np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10
        >>> keras_resnet.load_data((images, labels)).image_shape
        (8, 8, 3)
    """
    recipe = get_recipe(recipe)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and "/" in source):
        name, splits, class_names = photos.from_folder(source, image_size, SPLITS)
        splits = {split: Examples(*arrays) for split, arrays in splits.items()}
    elif isinstance(source, str):
        name, splits, class_names = _from_tfds(source, data_dir, download)
    else:
        name, splits = "arrays", _from_arrays(source)
    highest = max(int(examples.labels.max()) for examples in splits.values())
    class_names = tuple(class_names or map(str, range(highest + 1)))
    _check_splits(splits, class_names)
    if "validation" not in splits and recipe.validation_fraction:
        splits["train"], splits["validation"] = _hold_out(splits["train"], recipe)
    return Data(name, splits["train"], splits.get("validation"), splits.get("test"), class_names)


def training_batches(examples: Examples, recipe: Recipe, start_epoch: int = 0) -> tf.data.Dataset:
    """Endless shuffled, augmented batches (images, labels), from the start of `start_epoch` (from 0).

    Each epoch visits every example once; its last batch may be smaller. Order and augmentation are
    functions of (recipe.seed, epoch, example index) alone: the same batches come whatever the
    number of threads, and whichever epoch one starts at.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.data import training_batches
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> images, labels = next(iter(training_batches(data.train, keras_resnet.Recipe(batch_size=4))))
        >>> images.shape.as_list()
        [4, 8, 8, 3]
    """
    images, labels = tf.constant(examples.images), tf.constant(examples.labels)

    def example(epoch, index):
        seed = augmentation.example_seed(recipe.seed, epoch, index)
        return augmentation.augment(images[index], seed, recipe), labels[index]

    def one_epoch(epoch):
        epoch = tf.cast(epoch, tf.int32)
        # Not index_shuffle: its orders of neighbouring epochs correlate (0.68 over 45,000 examples).
        order = tf.random.experimental.stateless_shuffle(tf.range(len(examples)), (recipe.seed, epoch))
        examples_of_epoch = tf.data.Dataset.from_tensor_slices(order).map(
            lambda index: example(epoch, index), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return examples_of_epoch.batch(recipe.batch_size)

    epochs = tf.data.Dataset.range(start_epoch, np.iinfo("int32").max)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(examples: Examples, batch_size: int) -> tf.data.Dataset:
    """Every example once, in order, as batches (images, labels)."""
    dataset = tf.data.Dataset.from_tensor_slices((examples.images, examples.labels))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


# ---------------------------------------------------------------------------------------------
# TFDS


def _from_tfds(name, data_dir, download):
    """(name, splits, class names) of a prepared data set; prepares it first if asked."""
    folder = _find_prepared(name, data_dir)
    if folder is None and not download:
        raise FileNotFoundError(_how_to_get(name, data_dir))
    import tensorflow_datasets as tfds

    if folder is None:
        builder = tfds.builder(name, data_dir=data_dir)
        builder.download_and_prepare()
    else:
        builder = tfds.builder_from_directory(folder)
    features = builder.info.features
    if not {"image", "label"} <= set(features) or None in features["image"].shape:
        raise ValueError(f"{name} is not a data set of (image, label) with images of one size.")
    try:
        splits = {split: _whole_split(builder, split) for split in SPLITS if split in builder.info.splits}
    except tf.errors.OpError as error:
        raise ValueError(f"{builder.data_path} is damaged: {error.message}; prepare {name} anew.") from error
    return f"{name} {builder.version}", splits, features["label"].names


def _whole_split(builder, split):
    whole = builder.as_dataset(split=split, batch_size=-1)
    return Examples(whole["image"].numpy(), whole["label"].numpy().astype("int32"))


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


# ---------------------------------------------------------------------------------------------
# Arrays


def _from_arrays(source):
    """The splits of a pair of arrays, a pair of such pairs, or a dict of such pairs."""
    if not isinstance(source, Mapping):
        if not (isinstance(source, (tuple, list)) and len(source) == 2):
            raise ValueError("Data must be the name of a TFDS data set, a pair (images, labels), or a dict of pairs.")
        pairs = source if isinstance(source[0], (tuple, list)) and len(source[0]) == 2 else (source,)
        source = dict(zip(("train", "test"), pairs, strict=False))
    if "train" not in source or not set(source) <= set(SPLITS):
        raise ValueError(f"Splits {sorted(source)} must be 'train' and, if wanted, 'validation' and 'test'.")
    return {split: _examples(split, *pair) for split, pair in source.items()}


def _examples(split, images, labels):
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) == 0 or len(labels) == 0:
        raise ValueError(f"The {split} split is empty.")
    if images.ndim != 4:
        raise ValueError(f"The {split} images have the shape {images.shape}; give (N, height, width, channels).")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(images):
        raise ValueError(
            f"The {split} split has images of shape {images.shape} and labels of shape {labels.shape}; "
            "give one class number for each image."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"The {split} labels are {labels.dtype}; give whole class numbers from 0.")
    if images.dtype != np.uint8:
        images = images.astype("float32")
        if not np.isfinite(images).all() or images.min() < 0 or not 1 < images.max() <= 255:
            raise ValueError(
                f"The {split} images span {images.min():g} to {images.max():g}; give RGB or grey values in 0 to "
                "255, which the model normalises itself."
            )
    return Examples(images, labels.astype("int32"))


def _check_splits(splits, class_names):
    shape = splits["train"].images.shape[1:]
    for split, examples in splits.items():
        low, high = int(examples.labels.min()), int(examples.labels.max())
        if low < 0 or high >= len(class_names):
            raise ValueError(
                f"The {split} labels span {low} to {high}, but there are {len(class_names)} classes, numbered from 0."
            )
        if examples.images.shape[1:] != shape:
            raise ValueError(
                f"The {split} images are {examples.images.shape[1:]} and the training images {shape}; give one size."
            )


def _hold_out(examples, recipe):
    """(training, validation): the last `validation_fraction` of a random order."""
    order = np.random.default_rng(recipe.seed).permutation(len(examples))
    held = round(recipe.validation_fraction * len(examples))
    if not 0 < held < len(examples):
        raise ValueError(f"{len(examples)} training images are too few to hold out {recipe.validation_fraction:.0%}.")
    return examples.take(np.sort(order[:-held])), examples.take(np.sort(order[-held:]))
