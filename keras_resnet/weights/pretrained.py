"""The table of weights, and how they are tested.

pretrained.json has a row for each published file of a variant, and packaged.json one for each file that comes with
this package. The name of a data set stands for the variant's default row of weights that are trained on it. For
"imagenet" that is timm's own default tag (torchvision's second recipe if the tag is torchvision's first), or the file
of keras.applications if timm has none. The licences of default rows allow any use; a variant whose weights all restrict
it has no default. Weights of this package are trained on "cifar10".
"""

import dataclasses
import fnmatch
import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from keras_resnet.errors import check_name, unknown_name
from keras_resnet.rules import NUMBER, POSITIVE_INTEGER, TEXT, YES_OR_NO, between, check
from keras_resnet.variants import VARIANTS
from keras_resnet.view import View

FILES = ("pretrained.json", "packaged.json")


@dataclasses.dataclass(frozen=True)
class Training:
    """How weights of this package were trained, and what was measured with them.

    Attributes:
        recipe: name of the recipe.
        seed: of the run.
        commit: of this package's repository, with the code of the run.
        log: path of the run's log.csv in the repository; recipe.json and result.json are beside it.
        correct: number of test images that the weight file classifies right.
        test_images: number of all test images.
    """

    recipe: str
    seed: int
    commit: str
    log: str
    correct: int
    test_images: int

    def __str__(self) -> str:
        return f"{self.correct:,} of {self.test_images:,} ({self.correct / self.test_images:.2%})"


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """A weight file, and how its publisher tests it.

    Attributes:
        id: "source/variant.tag", the key of the table.
        variant: the variant's name, for `create_model`.
        naming: key of `keras_resnet.weights.conversion.NAMINGS`.
        file: name of the file.
        input_size: height and width of the test images, in pixels.
        crop_fraction: size of the center crop, as a fraction of the resized image's short side.
        interpolation: of the resized image: "bilinear" or "bicubic".
        mean: mean of red, green and blue, in units of 0 to 255; None if the file contains the normalization.
        std: their standard deviation, likewise.
        licence: SPDX identifier in lower case, or None if the publisher states none.
        hub: repository on the Hugging Face hub, or None.
        url: URL of the file, or None if it is on the hub or comes with this package.
        checksum: "sha256:" or "md5:" and the published hexadecimal digits (torchvision: the first eight); None for
            files on the hub, which states it.
        url_notop: URL of the file without the classifier, or None.
        checksum_notop: its checksum.
        options: options of the model in addition to the variant's.
        channel_order: "bgr" if the first convolution expects blue first; else "rgb".
        classes: number of classes.
        class_names: name of the list of classes, for `keras_resnet.preprocessing.class_names`.
        top1: published top-1 accuracy on ImageNet's validation images, in percent; None if the publisher states none
            for this test size and crop.
        top5: published top-5 accuracy, likewise.
        note: further remarks.
        default: whether the name of the data set stands for this row.
        training: how weights of this package were trained, and what was measured with them; None for published ones.
    """

    id: str
    variant: str
    naming: str
    file: str
    input_size: int
    crop_fraction: float
    interpolation: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    licence: str | None = None
    hub: str | None = None
    url: str | None = None
    checksum: str | None = None
    url_notop: str | None = None
    checksum_notop: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    channel_order: str = "rgb"
    classes: int = 1000
    class_names: str = "imagenet-1k"
    top1: float | None = None
    top5: float | None = None
    note: str = ""
    default: bool = False
    training: Training | None = None

    @property
    def data_set(self) -> str:
        """The data set of the classes: "imagenet", also for its larger versions, or "cifar10"."""
        return self.class_names.partition("-")[0]

    @property
    def packaged(self) -> bool:
        """Whether the file comes with this package."""
        return not (self.hub or self.url)

    @property
    def view(self) -> View:
        """How the publisher resizes and crops test images."""
        return View((self.input_size, self.input_size), self.crop_fraction, self.interpolation)

    @property
    def commercial(self) -> bool | None:
        """Whether the licence permits commercial use; None if the publisher states no licence."""
        # Creative Commons marks its licences that forbid it by the part "nc", NonCommercial.
        return None if self.licence is None else "nc" not in self.licence.split("-")


@functools.cache
def _table() -> dict[str, PretrainedWeights]:
    folder = importlib.resources.files("keras_resnet.weights")
    texts = [folder.joinpath(file).read_text(encoding="utf-8") for file in FILES]
    return {name: _row(name, values) for text in texts for name, values in json.loads(text).items()}


def _row(name: str, values: dict[str, Any]) -> PretrainedWeights:
    values.update({key: tuple(values[key]) for key in ("mean", "std") if key in values})
    if "training" in values:
        values["training"] = Training(**values["training"])
    return PretrainedWeights(id=name, **values)


def list_weights(
    variant_pattern: str = "*",
    *,
    licence: str | None = None,
    commercial: bool | None = None,
    image_size: int | None = None,
    min_top1: float | None = None,
) -> list[str]:
    """The ids of the weights that have all given properties: the published ones, then those of this package.

    Args:
        variant_pattern: shell pattern of the variants' names.
        licence: SPDX identifier in lower case, such as "apache-2.0".
        commercial: True for weights whose licence permits commercial use, False for those whose licence forbids it.
            Weights whose publisher states no licence are neither.
        image_size: height and width of the test images, in pixels.
        min_top1: lowest published top-1 accuracy on ImageNet, in percent. Weights without it, such as those of this
            package, are left out.

    Raises:
        ValueError: a value has the wrong type or is out of range, or no weights have the licence.

    Example:
        >>> from keras_resnet.weights.pretrained import list_weights
        >>> list_weights("wide_resnet101*")
        ['timm/wide_resnet101_2.tv2_in1k', 'timm/wide_resnet101_2.tv_in1k', \
'torchvision/wide_resnet101_2.IMAGENET1K_V1', 'torchvision/wide_resnet101_2.IMAGENET1K_V2']
        >>> list_weights("resnetrs*", commercial=True, min_top1=84.5)
        ['timm/resnetrs350.tf_in1k', 'timm/resnetrs420.tf_in1k']
        >>> list_weights("plainnet*")
        ['keras_resnet/plainnet20_cifar.cifar10']
    """
    check("variant_pattern", variant_pattern, TEXT)
    rows = [row for row in _table().values() if fnmatch.fnmatchcase(row.variant, variant_pattern)]
    if licence is not None:
        check_name("licence", licence, sorted({row.licence for row in _table().values() if row.licence}))
        rows = [row for row in rows if row.licence == licence]
    if commercial is not None:
        check("commercial", commercial, YES_OR_NO)
        rows = [row for row in rows if row.commercial is commercial]
    if image_size is not None:
        check("image_size", image_size, POSITIVE_INTEGER)
        rows = [row for row in rows if row.input_size == image_size]
    if min_top1 is not None:
        check("min_top1", min_top1, NUMBER, between(0, 100))
        rows = [row for row in rows if row.top1 is not None and row.top1 >= min_top1]
    return [row.id for row in rows]


def variant_of(weights: str) -> str | None:
    """The variant that an id from `list_weights()` is for; None if it is no id.

    Example:
        >>> from keras_resnet.weights.pretrained import variant_of
        >>> variant_of("timm/resnet50.a1_in1k"), variant_of("resnet50")
        ('resnet50', None)
    """
    return _table()[weights].variant if weights in _table() else None


def names_of_weights() -> set[str]:
    """All that `find_weights` takes as a name of weights, of any variant.

    Example:
        >>> from keras_resnet.weights.pretrained import names_of_weights
        >>> {"imagenet", "keras", "torchvision/IMAGENET1K_V2"} <= names_of_weights()
        True
    """
    return {name for row in _table().values() for name in (row.id, _without_variant(row), row.data_set)}


def find_weights(variant: str, name: str) -> PretrainedWeights:
    """The row of the table for a variant and a name of weights.

    Args:
        variant: a name from `list_models()`.
        name: a data set for the variant's default ("imagenet" or "cifar10"), an id from `list_weights()`, or an id
            without the variant, such as "torchvision/IMAGENET1K_V2" or "keras".

    Raises:
        ValueError: the variant or the weights are unknown (the message suggests similar names), the weights are for
            another variant (the message names it), or the variant has no weights, none of this data set, or no default.

    Example:
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> find_weights("resnet50", "imagenet").id
        'timm/resnet50.a1_in1k'
        >>> find_weights("resnet50", "torchvision/IMAGENET1K_V2").top1
        80.858
        >>> find_weights("resnet20_cifar", "cifar10").training.correct
        9123
    """
    check_name("model", variant, VARIANTS)
    check("name", name, TEXT)
    rows = {row.id: row for row in _table().values() if row.variant == variant}
    for row in rows.values():
        if name in (row.id, _without_variant(row)) or (name == row.data_set and row.default):
            return row
    if name in _table():
        raise other_variant(_table()[name], variant)
    if not rows:
        raise ValueError(f"No weights of {variant!r} are published; list_weights() lists those of other variants.")
    data_sets = sorted({row.data_set for row in rows.values()})
    if name in data_sets:
        raise ValueError(f"The licences of all weights of {variant!r} restrict their use; name one: {', '.join(rows)}.")
    if name in {row.data_set for row in _table().values()}:
        raise ValueError(f"No weights of {variant!r} are trained on {name}, only on {', '.join(data_sets)}.")
    defaults = [row.data_set for row in rows.values() if row.default]
    raise unknown_name(f"weights of {variant!r}:", name, [*defaults, *rows])


def other_variant(weights: PretrainedWeights, variant: str) -> ValueError:
    """The error for weights of another variant than the one that is built."""
    other = weights.variant
    return ValueError(f"The weights {weights.id!r} are for {other!r}, not {variant!r}; build {other!r} to use them.")


def _without_variant(row: PretrainedWeights) -> str:
    """The id without the variant: "timm/a1_in1k" for "timm/resnet18.a1_in1k"."""
    source, rest = row.id.split("/")
    tag = rest.removeprefix(row.variant).removeprefix(".")
    return f"{source}/{tag}" if tag else source
