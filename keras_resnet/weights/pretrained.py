"""Published weights: which there are, and how they were tested.

pretrained.json holds a row for each published file of a variant; `imagenet` means the variant's default row: timm's
own default tag (torchvision's second recipe where that is its first), or keras.applications' file where timm has
none. Defaults have a licence that allows any use. Nothing here builds a model, fetches a file or reads a tensor.
"""

import dataclasses
import fnmatch
import functools
import importlib.resources
import json
from collections.abc import Mapping

from keras_resnet.errors import unknown_name
from keras_resnet.variants import VARIANTS


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """A published weight file, and how its publisher tests it.

    Attributes:
        id: "source/variant.tag", the key of the table.
        variant: the name for `create_model`, and `options` what to add to it.
        naming: key of `keras_resnet.weights.conversion.NAMINGS`.
        file: name of the file.
        input_size: side of the square test images, in pixels.
        crop_fraction: share of the resized image's short side that the centre crop takes.
        interpolation: of that resize: "bilinear" or "bicubic".
        mean: of the channels red, green, blue, in units of 0 to 255.
        std: what they are divided by, likewise.
        licence: SPDX name in lower case as the publisher states it, or None: not stated.
        hub: repository on the Hugging Face hub, or None: the file is at `url`.
        url: where the file is published.
        checksum: "sha256:" or "md5:" and (the first) hexadecimal digits as published; None: the hub states it.
        url_notop: of the file without the classifier, where there is one; `checksum_notop` likewise.
        options: of the model beyond the variant's own.
        channel_order: "bgr" where the kernels of the first convolution expect blue first; else "rgb".
        classes: number of classes; `class_names` is the name of their list.
        top1: published accuracy on ImageNet's validation images, in percent; None: not in the publisher's package.
        top5: likewise.
        note: what else to know.
        default: whether "imagenet" means this row.
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
    options: Mapping = dataclasses.field(default_factory=dict)
    channel_order: str = "rgb"
    classes: int = 1000
    class_names: str = "imagenet-1k"
    top1: float | None = None
    top5: float | None = None
    note: str = ""
    default: bool = False


# ---------------------------------------------------------------------------------------------
# The table
@functools.cache
def _table() -> dict[str, PretrainedWeights]:
    text = importlib.resources.files("keras_resnet.weights").joinpath("pretrained.json").read_text(encoding="utf-8")
    return {
        name: PretrainedWeights(id=name, **{**row, "mean": tuple(row["mean"]), "std": tuple(row["std"])})
        for name, row in json.loads(text).items()
    }


def list_weights(variant_pattern: str = "*") -> list[str]:
    """The ids of the published weights of the variants that match a shell pattern, in the table's order.

    Example:
        >>> from keras_resnet.weights.pretrained import list_weights
        >>> list_weights("wide_resnet101*")
        ['timm/wide_resnet101_2.tv2_in1k', 'timm/wide_resnet101_2.tv_in1k', \
'torchvision/wide_resnet101_2.IMAGENET1K_V1', 'torchvision/wide_resnet101_2.IMAGENET1K_V2']
    """
    return [name for name, row in _table().items() if fnmatch.fnmatchcase(row.variant, variant_pattern)]


def find_weights(variant: str, name: str) -> PretrainedWeights:
    """The row of the table that a name means for a variant.

    Args:
        variant: a name that `list_models()` lists.
        name: "imagenet" for the variant's default, an id as of `list_weights()`, or an id without the variant, as
            "torchvision/IMAGENET1K_V2" or "keras".

    Raises:
        ValueError: no such variant or weights (the message lists the nearest), weights of another variant (it names
            that), or a variant without published weights.

    Example:
        >>> from keras_resnet.weights.pretrained import find_weights
        >>> find_weights("resnet50", "imagenet").id
        'timm/resnet50.a1_in1k'
        >>> find_weights("resnet50", "torchvision/IMAGENET1K_V2").top1
        80.858
    """
    if variant not in VARIANTS:
        raise unknown_name("model", variant, VARIANTS)
    rows = {row.id: row for row in _table().values() if row.variant == variant}
    for row in rows.values():
        if name in (row.id, _without_variant(row)) or (name == "imagenet" and row.default):
            return row
    if name in _table():
        other = _table()[name].variant
        raise ValueError(f"The weights {name!r} are for {other!r}, not {variant!r}; build {other!r} for them.")
    if not rows:
        raise ValueError(f"No weights of {variant!r} are published; list_weights() lists those of other variants.")
    raise unknown_name(f"weights of {variant!r}:", name, ["imagenet", *rows])


def _without_variant(row):
    source, rest = row.id.split("/")
    tag = rest.removeprefix(row.variant).removeprefix(".")
    return f"{source}/{tag}" if tag else source
