"""The table of published weights, and how their publishers test them.

pretrained.json has a row for each published file of a variant. The name "imagenet" stands for the variant's default
row: timm's own default tag (torchvision's second recipe if the tag is torchvision's first), or the file of
keras.applications if timm has none. The licences of default rows allow any use; a variant whose weights all restrict it
has no default.
"""

import dataclasses
import fnmatch
import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from keras_resnet.errors import check_name, unknown_name
from keras_resnet.preprocessing import View
from keras_resnet.rules import NUMBER, POSITIVE_INTEGER, TEXT, YES_OR_NO, between, check
from keras_resnet.variants import VARIANTS


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """A published weight file, and how its publisher tests it.

    Attributes:
        id: "source/variant.tag", the key of the table.
        variant: the variant's name, for `create_model`.
        naming: key of `keras_resnet.weights.conversion.NAMINGS`.
        file: name of the file.
        input_size: height and width of the test images, in pixels.
        crop_fraction: size of the center crop, as a fraction of the resized image's short side.
        interpolation: of the resized image: "bilinear" or "bicubic".
        mean: mean of red, green and blue, in units of 0 to 255.
        std: their standard deviation, likewise.
        licence: SPDX identifier in lower case, or None if the publisher states none.
        hub: repository on the Hugging Face hub, or None if the file is at `url`.
        url: URL of the file.
        checksum: "sha256:" or "md5:" and the published hexadecimal digits (torchvision: the first eight); None for
            files on the hub, which provides it.
        url_notop: URL of the file without the classifier, or None.
        checksum_notop: its checksum.
        options: options of the model in addition to the variant's.
        channel_order: "bgr" if the first convolution expects blue first; else "rgb".
        classes: number of classes.
        class_names: name of the list of classes, for `keras_resnet.preprocessing.imagenet_classes`.
        top1: published top-1 accuracy on ImageNet's validation images, in percent; None if the publisher states none
            for this test size and crop.
        top5: published top-5 accuracy, likewise.
        note: further remarks.
        default: whether "imagenet" stands for this row.
    """

    id: str
    variant: str
    naming: str
    file: str
    input_size: int
    crop_fraction: float
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
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
    text = importlib.resources.files("keras_resnet.weights").joinpath("pretrained.json").read_text(encoding="utf-8")
    return {
        name: PretrainedWeights(id=name, **{**row, "mean": tuple(row["mean"]), "std": tuple(row["std"])})
        for name, row in json.loads(text).items()
    }


def list_weights(
    variant_pattern: str = "*",
    *,
    licence: str | None = None,
    commercial: bool | None = None,
    image_size: int | None = None,
    min_top1: float | None = None,
) -> list[str]:
    """The ids of the published weights that have all given properties, in the table's order.

    Args:
        variant_pattern: shell pattern of the variants' names.
        licence: SPDX identifier in lower case, such as "apache-2.0".
        commercial: True for weights whose licence permits commercial use, False for those whose licence forbids it.
            Weights whose publisher states no licence are neither.
        image_size: height and width of the test images, in pixels.
        min_top1: lowest published top-1 accuracy on ImageNet, in percent.

    Raises:
        ValueError: a value has the wrong type or is out of range, or no published weights have the licence.

    Example:
        >>> from keras_resnet.weights.pretrained import list_weights
        >>> list_weights("wide_resnet101*")
        ['timm/wide_resnet101_2.tv2_in1k', 'timm/wide_resnet101_2.tv_in1k', \
'torchvision/wide_resnet101_2.IMAGENET1K_V1', 'torchvision/wide_resnet101_2.IMAGENET1K_V2']
        >>> list_weights("resnetrs*", commercial=True, min_top1=84.5)
        ['timm/resnetrs350.tf_in1k', 'timm/resnetrs420.tf_in1k']
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


def find_weights(variant: str, name: str) -> PretrainedWeights:
    """The row of the table for a variant and a name of weights.

    Args:
        variant: a name from `list_models()`.
        name: "imagenet" for the variant's default, an id from `list_weights()`, or an id without the variant, such as
            "torchvision/IMAGENET1K_V2" or "keras".

    Raises:
        ValueError: the variant or the weights are unknown (the message suggests similar names), the weights are for
            another variant (the message names it), or the variant has no weights or no default.

    Example:
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> find_weights("resnet50", "imagenet").id
        'timm/resnet50.a1_in1k'
        >>> find_weights("resnet50", "torchvision/IMAGENET1K_V2").top1
        80.858
    """
    check_name("model", variant, VARIANTS)
    check("name", name, TEXT)
    rows = {row.id: row for row in _table().values() if row.variant == variant}
    for row in rows.values():
        if name in (row.id, _without_variant(row)) or (name == "imagenet" and row.default):
            return row
    if name in _table():
        other = _table()[name].variant
        raise ValueError(f"The weights {name!r} are for {other!r}, not {variant!r}; build {other!r} to use them.")
    if not rows:
        raise ValueError(f"No weights of {variant!r} are published; list_weights() lists those of other variants.")
    if name == "imagenet":
        raise ValueError(f"The licences of all weights of {variant!r} restrict their use; name one: {', '.join(rows)}.")
    default = ["imagenet"] if any(row.default for row in rows.values()) else []
    raise unknown_name(f"weights of {variant!r}:", name, [*default, *rows])


def _without_variant(row: PretrainedWeights) -> str:
    """The id without the variant: "timm/a1_in1k" for "timm/resnet18.a1_in1k"."""
    source, rest = row.id.split("/")
    tag = rest.removeprefix(row.variant).removeprefix(".")
    return f"{source}/{tag}" if tag else source
