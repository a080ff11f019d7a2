"""load_data(): a TFDS name, a folder, a record set or arrays -> `Data`, with examples for each split."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from keras_resnet.choices import SPLITS
from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.examples import Arrays, Examples
from keras_resnet.data.folders import from_folder
from keras_resnet.data.records import MANIFEST, from_record_set
from keras_resnet.data.tfds import from_tfds
from keras_resnet.recipes import Recipe, get_recipe
from keras_resnet.transforms.views import View, center_view

MEAN_OF = 10_000  # images to compute the mean from, for a data set that is not in memory


@dataclasses.dataclass(frozen=True)
class Data:
    """The examples that a model is trained and tested on, split by split. `validation` and `test` may be None.

    `view` is the part of a test image that the model sees, and its size.

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
    view: View

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the model's input."""
        return self.train.image_shape

    @property
    def splits(self) -> dict[str, Examples]:
        """The existing splits, by name."""
        named = {split: getattr(self, split) for split in SPLITS}
        return {split: examples for split, examples in named.items() if examples is not None}

    def mean_image(self) -> np.ndarray:
        """The mean training image, float64 (H, W, C): the paper's "per-pixel mean".

        For images that are not in memory, it is the mean center crop of at most 10,000 evenly spaced images.
        """
        if isinstance(self.train, Arrays):
            return self.train.images.mean(axis=0, dtype="float64")
        every = -(-len(self.train) // MEAN_OF)
        sample = self.train.take(np.arange(0, len(self.train), every))
        total, count = np.zeros(self.image_shape), 0
        for images, labels, _ in evaluation_batches(sample, 64, lambda image: center_view(image, self.view)[0]):
            total, count = total + images.numpy().sum(axis=0, dtype="float64"), count + len(labels)
        return total / count


def load_data(
    source,
    recipe: str | Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
    manual_dir: str | os.PathLike | None = None,
    class_names: Sequence[str] | None = None,
) -> Data:
    """Finds the images of a data set, and splits them as the recipe says.

    Images that all have one size (CIFAR-10, arrays) are kept in memory; others are read when a batch needs them.

    Args:
        source: one of:

            * the name of a TFDS data set with the features "image" and "label", such as "cifar10" or "imagenet2012";
            * the path (a `pathlib.Path`, or a string that contains a slash) of a folder of photos: `train/<class>/*`
              with `val/<class>/*` and optionally `test/<class>/*`; or `<class>/*`, all for training. As in ImageNet,
              `val` may also contain all images directly, with a label file (`folders.LABEL_FILES`) in it or next to it;
            * the path of a record set written by `prepare_records`;
            * arrays: `(images, labels)`, `((images, labels), (test images, test labels))` as `keras.datasets` returns
              them, or a dict of such pairs with the keys "train", "validation", "test". Images are (N, H, W, C), RGB or
              grayscale, in 0 to 255; labels are class numbers from 0.
        recipe: a recipe or its name. Its `image_size`, `crop_fraction` and `interpolation` apply to photos. Its
            `validation_fraction` and `seed` choose the images held out from training, if the source has no validation
            split.
        data_dir: folder of prepared TFDS data sets; default `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.
        download: whether TFDS may download and prepare a data set that is not prepared.
        manual_dir: folder of archives from which TFDS prepares the data set, such as ImageNet's two.
        class_names: of the arrays; default "0", "1", ...

    Raises:
        FileNotFoundError: the folder does not exist, or the data set is not prepared; the message says where it should
            be and how to get it.
        ValueError: the arrays do not match, the data set is damaged, or the folder has another layout.

    Example:
        >>> import numpy as np, keras_resnet
        >>> images, labels = np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10
        >>> keras_resnet.load_data((images, labels)).image_shape
        (8, 8, 3)
    """
    recipe = get_recipe(recipe)
    image_shape = (recipe.image_size, recipe.image_size, 3)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and "/" in source):
        folder = pathlib.Path(source).expanduser()
        read = from_record_set if (folder / MANIFEST).is_file() else from_folder
        name, (splits, names) = folder.resolve().name, read(folder, image_shape)
    elif isinstance(source, str):
        name, splits, names = from_tfds(source, data_dir, download, manual_dir, image_shape)
    else:
        name, (splits, names) = "arrays", _from_arrays(source, class_names)
    _check_splits(splits, name)
    if "validation" not in splits and recipe.validation_fraction:
        splits["train"], splits["validation"] = _hold_out(splits["train"], recipe)
    return Data(name, splits["train"], splits.get("validation"), splits.get("test"), names, _view(splits, recipe))


def _view(splits, recipe):
    size = tuple(splits["train"].image_shape[:2])
    return View(size) if isinstance(splits["train"], Arrays) else View(size, recipe.crop_fraction, recipe.interpolation)


def _check_splits(splits, name):
    if "train" not in splits:
        raise ValueError(f"{name} has no training split; it has {', '.join(splits) or 'none'}.")
    shape = tuple(splits["train"].image_shape)
    for split, examples in splits.items():
        own = tuple(examples.image_shape)
        if own != shape:
            raise ValueError(f"The {split} images are {own}, but the training images are {shape}; use one size.")


def _check_labels(splits, class_names):
    for split, examples in splits.items():
        low, high = int(examples.labels.min()), int(examples.labels.max())
        if low < 0 or high >= len(class_names):
            raise ValueError(
                f"The {split} labels span {low} to {high}, but there are {len(class_names)} classes, numbered from 0."
            )


def _from_arrays(source, class_names):
    """(the examples of each split, class names) of a pair of arrays, a pair of such pairs, or a dict of such pairs."""
    splits = {split: _examples(split, *pair) for split, pair in _pairs(source).items()}
    classes = 1 + max(int(examples.labels.max()) for examples in splits.values())
    names = tuple(class_names or map(str, range(classes)))
    _check_labels(splits, names)
    return splits, names


def _pairs(source):
    """The pair (images, labels) of each split."""
    if not isinstance(source, Mapping):
        if not (isinstance(source, (tuple, list)) and len(source) == 2):
            raise ValueError("Data must be the name of a TFDS data set, a pair (images, labels), or a dict of pairs.")
        pairs = source if isinstance(source[0], (tuple, list)) and len(source[0]) == 2 else (source,)
        source = dict(zip(("train", "test"), pairs, strict=False))
    if "train" not in source or not set(source) <= set(SPLITS):
        raise ValueError(f"Splits {sorted(source)} must be 'train' and, optionally, 'validation' and 'test'.")
    return source


def _examples(split, images, labels):
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) == 0 or len(labels) == 0:
        raise ValueError(f"The {split} split is empty.")
    if images.ndim != 4:
        raise ValueError(f"The {split} images have the shape {images.shape}; it must be (N, height, width, channels).")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(images):
        raise ValueError(
            f"The {split} split has images of shape {images.shape} and labels of shape {labels.shape}; "
            "there must be one class number for each image."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"The {split} labels are {labels.dtype}; they must be integer class numbers from 0.")
    if images.dtype != np.uint8:
        images = images.astype("float32")
        if not np.isfinite(images).all() or images.min() < 0 or not 1 < images.max() <= 255:
            raise ValueError(
                f"The {split} images span {images.min():g} to {images.max():g}; they must be RGB or grayscale values "
                "in 0 to 255, which the model normalizes itself."
            )
    return Arrays(images, labels.astype("int32"))


def _hold_out(examples, recipe):
    """(training, validation) examples; the latter are a random `validation_fraction` of all."""
    order = np.random.default_rng(recipe.seed).permutation(len(examples))
    count = round(recipe.validation_fraction * len(examples))
    if not 0 < count < len(examples):
        raise ValueError(f"{len(examples)} training images are too few to hold out {recipe.validation_fraction:.0%}.")
    return examples.take(np.sort(order[:-count])), examples.take(np.sort(order[-count:]))
