"""load_data(): a TFDS name, a folder, a record set, arrays or tf.data -> `Data`, with examples for each split."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.choices import SPLITS
from keras_resnet.data.arrays import from_arrays, names_of_classes
from keras_resnet.data.batches import evaluation_batches, scaled_shape
from keras_resnet.data.examples import Arrays, Examples
from keras_resnet.data.folders import from_folder
from keras_resnet.data.hold_out import hold_out
from keras_resnet.data.records import from_record_set, is_record_set
from keras_resnet.data.tf_data import from_dataset
from keras_resnet.data.tfds import find_prepared, from_tfds
from keras_resnet.data.unreadable import none_readable
from keras_resnet.recipes import Recipe, get_recipe
from keras_resnet.rules import PATH, Rule, check
from keras_resnet.runtimes.decoding import printable
from keras_resnet.transforms.views import View, center_view

CONFIGURED = r"\w+/[\w.-]+(:[\d.]+)?"  # the name of a TFDS data set with a configuration: "imagenette/320px-v2"
SETTINGS = ("image_size", "crop_fraction", "interpolation", "validation_fraction", "seed")  # of a recipe
NAMES_SHOWN = 5  # of classes, in the repr
MEAN_OF = 10_000  # images to compute the mean from, for a data set that is not in memory


@dataclasses.dataclass(frozen=True, repr=False)
class Data:
    """The examples that a model is trained and tested on, split by split. `validation` and `test` may be None.

    `view` is the part of a test image that the model sees, and its size. `held_out` is whether the validation images
    were held out from the training images, because the source has no validation split. `source` has the arguments of
    `load_data` that find the images again, as recipe.json records them; it is empty for data from memory.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> data
        Data 'arrays'
          train: 20 images
          10 classes: 0, 1, 2, 3, 4, ...
          image shape: (8, 8, 3)
          test view: 8x8 center crop of short side 8, bilinear
    """

    name: str
    train: Examples
    validation: Examples | None
    test: Examples | None
    class_names: tuple[str, ...]
    view: View
    held_out: bool = False
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the training images."""
        return self.train.image_shape

    @property
    def test_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the view of a test image."""
        return (*self.view.size, self.image_shape[-1])

    @property
    def splits(self) -> dict[str, Examples]:
        """The existing splits, by name."""
        named = {split: getattr(self, split) for split in SPLITS}
        return {split: examples for split, examples in named.items() if examples is not None}

    @property
    def counts(self) -> dict[str, str]:
        """The number of images of each split in words."""
        counts = {split: f"{len(examples):,}" for split, examples in self.splits.items()}
        return counts | ({"validation": f"{counts['validation']} held-out"} if self.held_out else {})

    def class_sizes(self, split: str = "train") -> dict[str, int]:
        """The number of images of each class, by name; {} for records whose labels are not known yet.

        To know them, all records would have to be read, of ImageNet 140 GB.

        Args:
            split: "train", "validation" or "test", as far as the data have it.
        """
        examples = self.splits[split]
        if not examples.labels_are_known:
            return {}
        counts = np.bincount(examples.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def __repr__(self) -> str:
        splits = [f"{split}: {count} images" for split, count in self.counts.items()]
        names = [*self.class_names[:NAMES_SHOWN], *(["..."] if len(self.class_names) > NAMES_SHOWN else [])]
        classes = f"{len(self.class_names):,} classes: {', '.join(names)}"
        shown = [*splits, classes, f"image shape: {tuple(self.image_shape)}", f"test view: {self.view}"]
        return "\n  ".join([f"Data {self.name!r}", *shown])

    def mean_image(self) -> np.ndarray:
        """The mean training image, float64 (H, W, C): the paper's "per-pixel mean".

        For images that are not in memory, it is the mean center crop of at most 10,000 evenly spaced images.
        """
        if isinstance(self.train, Arrays):
            return self.train.images.mean(axis=0, dtype="float64")
        total, count = np.zeros(self.image_shape), 0
        for images in self.sample(MEAN_OF):
            total, count = total + images.sum(axis=0, dtype="float64"), count + len(images)
        return total / count

    def sample(self, count: int) -> Iterator[np.ndarray]:
        """The center crops of at most `count` evenly spaced training images, in batches (B, H, W, C), 0 to 255.

        Raises:
            ValueError: none of them is readable.
        """
        every = -(-len(self.train) // count)
        sample, readable = self.train.take(np.arange(0, len(self.train), every)), False
        for images, _, _ in evaluation_batches(sample, 64, lambda image: center_view(image, self.view)[0]):
            readable = True
            yield images.numpy()
        if not readable:
            raise none_readable(len(sample), "sampled training", self.name)


def load_data(
    source: Any,
    recipe: str | Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    image_size: int | None = None,
    crop_fraction: float | None = None,
    interpolation: str | None = None,
    validation_fraction: float | None = None,
    seed: int | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
    manual_dir: str | os.PathLike | None = None,
    class_names: Sequence[str] | None = None,
) -> Data:
    """Finds the images of a data set, and holds out validation images if it has none.

    Images that all have one size (CIFAR-10, arrays) are kept in memory; others are read when a batch needs them.

    Args:
        source: one of:

            * the name of a TFDS data set with the features "image" and "label", such as "cifar10" or "imagenet2012",
              or "imagenette/320px-v2" with a configuration, if it is prepared or may be;
            * the path (a `pathlib.Path`, or another string that contains a slash) of a folder of photos:
              `train/<class>/*` with `val/<class>/*` and optionally `test/<class>/*`; or `<class>/*`, all for training.
              As in ImageNet, `val` may also contain all images directly, with a label file (`folders.LABEL_FILES`) in
              it or next to it;
            * the path of a record set written by `prepare_records`;
            * arrays: `(images, labels)`, `((images, labels), (test images, test labels))` as `keras.datasets` returns
              them, or a dict of such pairs with the keys "train", "validation", "test". Images are (N, H, W, C), RGB or
              grayscale, in 0 to 255; labels are class numbers from 0, or one-hot (N, classes);
            * a `tf.data.Dataset` of pairs (image, label) or of batches of them, finite, or a dict of such data sets by
              split. Images and labels are as in arrays; images of several sizes are resized and cropped like photos. It
              is read once, into memory.
        recipe: a recipe or its name, whose values the next five arguments have by default.
        image_size: height and width of the model's input in pixels, for photos.
        crop_fraction: center crop of test photos, as a fraction of their resized short side.
        interpolation: of test photos: "bilinear" or "bicubic".
        validation_fraction: fraction of the training images, of each class, to hold out for validation if the source
            has no validation split.
        seed: chooses the images that are held out.
        data_dir: folder of prepared TFDS data sets; default `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.
        download: whether TFDS may download and prepare a data set that is not prepared.
        manual_dir: folder of archives from which TFDS prepares the data set, such as ImageNet's two.
        class_names: of arrays and `tf.data`; default "0", "1", ...

    Raises:
        FileNotFoundError: the folder does not exist, or the data set is not prepared; the message says where it should
            be and how to get it.
        ValueError: the arrays do not match, the data set is damaged, the folder has another layout, or a setting is out
            of range.

    Example:
        >>> import numpy as np, keras_resnet
        >>> images, labels = np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10
        >>> keras_resnet.load_data((images, labels)).image_shape
        (8, 8, 3)
    """
    given: dict[str, Any] = dict(
        image_size=image_size,
        crop_fraction=crop_fraction,
        interpolation=interpolation,
        validation_fraction=validation_fraction,
        seed=seed,
    )
    given = {name: value for name, value in given.items() if value is not None}
    settings = dataclasses.replace(get_recipe(recipe), **given)  # checks their values
    if isinstance(source, (str, os.PathLike)):
        if class_names is not None:
            raise ValueError(f"class_names are only for arrays and tf.data; {source} has its own.")
        if _is_name(source, data_dir, may_prepare=bool(download or manual_dir)):
            name, splits, names = _from_name(source, settings.image_size, data_dir, download, manual_dir)
            found = {"source": str(source), "data_dir": _absolute(data_dir) if data_dir else None}
        else:
            name, splits, names = _from_path(source, settings.image_size)
            found = {"source": _absolute(source)}
    else:
        name, splits, names = _from_memory(source, settings.image_size, class_names)
        found = {}
    _check_splits(splits, name)
    held_out = "validation" not in splits and settings.validation_fraction > 0
    if held_out:
        splits["train"], splits["validation"] = hold_out(splits["train"], settings.validation_fraction, settings.seed)
    view = _view(splits["train"], settings)
    if found:
        found |= {name: getattr(settings, name) for name in SETTINGS}
    return Data(name, splits["train"], splits.get("validation"), splits.get("test"), names, view, held_out, found)


def _is_name(source: str | os.PathLike, data_dir: str | os.PathLike | None, may_prepare: bool) -> bool:
    """Whether a source of `load_data` is the name of a TFDS data set rather than a path."""
    if not isinstance(source, str) or "/" not in source:
        return isinstance(source, str)
    if not re.fullmatch(CONFIGURED, source) or pathlib.Path(source).exists():
        return False
    return may_prepare or find_prepared(source, data_dir) is not None


def _absolute(path):
    return os.path.abspath(os.path.expanduser(os.fspath(path)))  # noqa: PTH100, PTH111 (for an unknown user)


def _view(examples, recipe):
    height, width, _ = examples.image_shape
    if recipe.test_size:
        height, width, _ = scaled_shape(examples.image_shape, recipe.test_size)
    elif isinstance(examples, Arrays):
        return View((height, width))
    return View((height, width), recipe.crop_fraction, recipe.interpolation)


def _from_name(source, image_size, data_dir, download, manual_dir):
    """(name, the examples of each split, class names) of the name of a TFDS data set."""
    check("source", source, Rule(PATH.holds, "must be the name of a data set, or a path"))
    return from_tfds(source, data_dir, download, manual_dir, (image_size, image_size, 3))


def _from_path(source, image_size):
    """The same of a path."""
    folder = pathlib.Path(os.path.expanduser(source))  # noqa: PTH111 (pathlib's raises an error for an unknown user)
    read = from_record_set if is_record_set(folder) else from_folder
    splits, class_names = read(folder, (image_size, image_size, 3))
    return printable(folder.resolve().name), splits, class_names


def _check_splits(splits, name):
    if "train" not in splits:
        raise ValueError(f"{name} has no training split; it has {', '.join(splits) or 'none'}.")
    shape = tuple(splits["train"].image_shape)
    for split, examples in splits.items():
        own = tuple(examples.image_shape)
        if own != shape:
            raise ValueError(f"The {split} images are {own}, but the training images are {shape}; use one size.")


def _from_memory(source, image_size, class_names):
    """(name, the examples of each split, class names) of arrays or data sets."""
    read = {}
    for split, values in _by_split(source).items():
        if isinstance(values, tf.data.Dataset):
            read[split] = from_dataset(split, values, image_size)
            if class_names is None:
                class_names = getattr(values, "class_names", None)  # of image_dataset_from_directory
        elif _is_pair(values):
            read[split] = from_arrays(split, *values)
        else:
            raise ValueError(
                f"The {split} split must be a pair (images, labels) or a tf.data.Dataset, not {_kind(values)}."
            )
    splits: dict[str, Examples] = {split: examples for split, (examples, _) in read.items()}
    name = "arrays" if _is_pair(values) else "tf.data"
    return name, splits, names_of_classes(class_names, {split: classes for split, (_, classes) in read.items()})


def _by_split(source):
    """The pair (images, labels) or the data set of each split."""
    if isinstance(source, tf.data.Dataset):
        return {"train": source}
    if isinstance(source, Mapping):
        if "train" not in source or not set(source) <= set(SPLITS):
            raise ValueError(
                f"Splits {sorted(map(str, source))} must be 'train' and, optionally, 'validation' and 'test'."
            )
        return source
    if not _is_pair(source):
        raise ValueError(
            "Data must be the name of a TFDS data set, a path, a pair (images, labels), a tf.data.Dataset of such "
            f"pairs, or a dict of these by split, not {_kind(source)}."
        )
    if any(isinstance(part, tf.data.Dataset) for part in source):
        raise ValueError("Give several data sets as a dict with the keys 'train', 'validation' and 'test'.")
    # A pair of pairs, and not two images with two labels.
    nested = all(part is None or (_is_pair(part) and not np.isscalar(part[1])) for part in source)
    return dict(zip(("train", "test"), source if nested else (source,), strict=False))


def _is_pair(value):
    return isinstance(value, (tuple, list)) and len(value) == 2


def _kind(value):
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else type(value).__name__
