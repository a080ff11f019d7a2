"""UnreadableImages: the images of a run that cannot be read, each listed once with the reason."""

import csv
import io
import pathlib
import threading

from keras_resnet.files import write_text

SHARE, LEAST = 1 / 1000, 10  # of the training images that may be bad


class UnreadableImages:
    """Collects what cannot be read, and says when it is too much.

    Args:
        file: TSV file (image, reason) to keep the list in; what it lists already counts. None keeps it in memory.
        limit: more than so many raise an error; None for no limit.

    Example:
        >>> from keras_resnet.data.unreadable import UnreadableImages
        >>> bad = UnreadableImages(limit=1)
        >>> bad.report("a.jpg", "is empty")
        >>> bad.reasons
        {'a.jpg': 'is empty'}
    """

    def __init__(self, file: pathlib.Path | None = None, limit: int | None = None):
        self.file, self.limit = file, limit
        self.failure = None  # why the run must stop, once it must
        self.reasons = _read(file) if file and file.exists() else {}
        self._lock = threading.Lock()

    def report(self, image: str, reason: str) -> None:
        """Lists the image, once.

        Raises:
            ValueError: that was one too many. `failure` keeps the message, since TensorFlow wraps errors in its own.
        """
        with self._lock:
            if self.failure:  # of a batch that is prefetched, and perhaps never asked for
                raise ValueError(self.failure)
            if image in self.reasons:
                return
            self.reasons[image] = reason
            if self.file:
                write_text(self.file, _table(self.reasons))
            if self.limit is not None and len(self.reasons) > self.limit:
                self.failure = self._too_many(image, reason)
                raise ValueError(self.failure)

    def _too_many(self, image, reason):
        if self.limit == 0:
            return f"{image} {reason}. Mend or remove it, or let bad images be skipped."
        return (
            f"{len(self.reasons)} images cannot be read, more than the {self.limit} that may be skipped "
            f"(max_bad_images). The last: {image} {reason}." + (f" All are listed in {self.file}." if self.file else "")
        )


def default_limit(images: int) -> int:
    """How many of `images` may be bad: 1 in 1,000, and at least 10."""
    return max(LEAST, int(SHARE * images))


def _table(reasons):
    content = io.StringIO(newline="")
    writer = csv.writer(content, delimiter="\t", lineterminator="\n")
    writer.writerow(("image", "reason"))
    writer.writerows(reasons.items())
    return content.getvalue()


def _read(file):
    with open(file, newline="", encoding="utf-8") as table:
        return {row["image"]: row["reason"] for row in csv.DictReader(table, delimiter="\t")}
