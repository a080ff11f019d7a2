"""Progress bars, and durations in words."""

import sys
import time
from typing import TextIO

INTERVAL = 0.1  # seconds between two states of a bar


def bar_shown(verbose: int | bool | str) -> int:
    """The `verbose` argument for Keras: 1 to show a progress bar, else 0; "auto" shows it only on a terminal."""
    return int(sys.stdout.isatty() if verbose == "auto" else bool(verbose))


def duration(seconds: float) -> str:
    """A duration in words.

    Example:
        >>> from keras_resnet.progress import duration
        >>> duration(59), duration(7500)
        ('59 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class ImageBar:
    """A line that counts images, for programs without Keras.

    Args:
        total: number of images.
        stream: where it is written; None for nowhere.

    Example:
        >>> import sys
        >>> from keras_resnet.progress import ImageBar
        >>> bar = ImageBar(40, sys.stdout)
        >>> bar.add(40)  # doctest: +SKIP
        40/40 images, 128 images/s
    """

    def __init__(self, total: int, stream: TextIO | None) -> None:
        self._total, self._stream = total, stream
        self._done, self._start, self._next = 0, time.monotonic(), 0.0

    def add(self, images: int) -> None:
        """Counts more images, and shows the state from time to time, and at the end."""
        self._done += images
        now, ended = time.monotonic(), self._done == self._total
        if self._stream is None or not (ended or now >= self._next):
            return
        self._next = now + INTERVAL
        rate = self._done / max(now - self._start, 1e-3)
        print(f"\r{self._done}/{self._total} images, {rate:.0f} images/s", end="\n" if ended else "", file=self._stream)
        self._stream.flush()
