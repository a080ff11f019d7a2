"""`Limits`: what a service accepts, and how it collects images into batches."""

import dataclasses
from typing import Any

from keras_resnet.rules import ABOVE_ZERO, NOT_NEGATIVE, NUMBER, POSITIVE_INTEGER, Rule, check

MEGABYTE = 1_000_000
MAX_PIXELS = 50_000_000  # of an image; decoded, it takes three bytes a pixel
MAX_SEEN_PIXELS = 4_000_000  # of an image as the model sees it: activations take a hundred times the memory of pixels
BATCHED_PIXELS = 300_000  # of an image as the model sees it; larger ones are computed one at a time
BODIES_IN_MEMORY = 16  # bodies of the maximum size that the service holds at a time
MAX_GRID = 16  # patches along a side of an occlusion map


def _limit(default: float, text: str, *rules: Rule) -> Any:
    """A field of `Limits`, with the text of its flag and the rules for its values."""
    return dataclasses.field(default=default, metadata={"help": text, "rules": rules})


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a service accepts, and how it collects images into batches.

    Args:
        max_batch: number of images that the model computes at a time.
        max_delay_ms: how long an idle model waits for images that are being decoded, milliseconds.
        max_body_mb: size of a request's body, megabytes.
        max_queue: number of images that wait for a model, and of requests that are under way.
        timeout_s: time to receive a request and to compute its answer, seconds.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> from keras_resnet.serving import Limits
        >>> Limits(max_batch=8).max_queue
        256
    """

    max_batch: int = _limit(16, "Maximum number of images that a model computes at a time.", POSITIVE_INTEGER)
    max_delay_ms: float = _limit(
        5.0, "How long a batch waits for images that are being decoded, milliseconds.", NUMBER, NOT_NEGATIVE
    )
    max_body_mb: float = _limit(16.0, "Maximum size of a request, megabytes.", NUMBER, ABOVE_ZERO)
    max_queue: int = _limit(256, "Maximum number of images that wait for a model.", POSITIVE_INTEGER)
    timeout_s: float = _limit(
        30.0, "Maximum time to receive a request and to compute its answer, seconds.", NUMBER, ABOVE_ZERO
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check(field.name, getattr(self, field.name), *field.metadata["rules"])

    @property
    def max_body(self) -> int:
        """Maximum size of a request's body, bytes."""
        return round(self.max_body_mb * MEGABYTE)
