"""`View`: the part of an image, and its size, that a model is tested on."""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from typing import Any

from keras_resnet.choices import INTERPOLATIONS
from keras_resnet.errors import check_name, shown
from keras_resnet.rules import POSITIVE_INTEGER


@dataclasses.dataclass(frozen=True)
class View:
    """The center crop that a model is tested on.

    Args:
        size: (height, width) of the crop.
        crop_fraction: crop / resized image, by their sides, above 0 to 1: 0.875 for the 224 of 256 of most published
            ImageNet results.
        interpolation: "bilinear" or "bicubic", with antialiasing as in Pillow.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> from keras_resnet.view import View
        >>> str(View((224, 224), crop_fraction=0.875))
        '224x224 center crop of short side 256, bilinear'
    """

    size: tuple[int, int]
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if not _is_size(self.size):
            raise ValueError(f"The size of a view must be (height, width) in pixels, not {shown(self.size)}.")
        if not (isinstance(self.crop_fraction, numbers.Real) and 0 < self.crop_fraction <= 1):
            raise ValueError(f"The crop_fraction of a view must be above 0 to 1, not {shown(self.crop_fraction)}.")
        check_name("interpolation", self.interpolation, INTERPOLATIONS)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "View":
        """The view of `dataclasses.asdict`, also after a round trip through JSON, which turns tuples into lists.

        Example:
            >>> from keras_resnet.view import View
            >>> View.from_json({"size": [32, 32], "crop_fraction": 1.0, "interpolation": "bilinear"}).size
            (32, 32)
        """
        return cls(**{**values, "size": tuple(values["size"])})

    @property
    def resized(self) -> tuple[int, int]:
        """Smallest (height, width) of the resized image: floor(size / crop_fraction), as in timm."""
        height, width = self.size
        return math.floor(height / self.crop_fraction), math.floor(width / self.crop_fraction)

    def __str__(self) -> str:
        height, width = self.size
        return f"{width}x{height} center crop of short side {min(self.resized)}, {self.interpolation}"


def _is_size(size: object) -> bool:
    return isinstance(size, tuple) and len(size) == 2 and all(map(POSITIVE_INTEGER.holds, size))


def check_view_fits(view: View, name: str, sides: tuple[int | None, int | None]) -> None:
    """Checks that a model called `name`, which takes images of these (height, width), takes the images of a view.

    Raises:
        ValueError: it does not; None among its sides fits any.
    """
    if any(side not in (None, size) for side, size in zip(sides, view.size, strict=True)):
        raise ValueError(f"A view of size {view.size} does not fit {name}, which takes images of {sides}.")
