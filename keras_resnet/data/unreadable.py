"""UnreadableImages: a list of a run's unreadable images and the reasons."""

import csv
import io
import pathlib
import threading

from keras_resnet.choices import ON_BAD_IMAGE
from keras_resnet.errors import check_name
from keras_resnet.files import write_text
from keras_resnet.rules import NOT_NEGATIVE, WHOLE, check

FRACTION, MINIMUM = 1 / 1000, 10  # by default, this fraction of the images may be unreadable, and at least so many


class UnreadableImages:
    """Lists unreadable images, and raises an error if there are too many.

    Args:
        file: TSV file (image, reason) for the list, which is read first if it exists; None to keep it in memory.
        limit: maximum number of unreadable images; None for no limit.

    Example:
        >>> from keras_resnet.data.unreadable import UnreadableImages
        >>> unreadable = UnreadableImages(limit=1)
        >>> unreadable.report("a.jpg", "is empty")
        >>> unreadable.reasons
        {'a.jpg': 'is empty'}
    """

    def __init__(self, file: pathlib.Path | None = None, limit: int | None = None):
        self.file, self.limit = file, limit
        self.failure: str | None = None  # why the run must stop
        self.reasons = read_unreadable(file) if file and file.exists() else {}
        self._lock = threading.Lock()

    def report(self, image: str, reason: str) -> None:
        """Adds an image to the list, unless it is there already, and checks the limit.

        Args:
            image: its path, or other name.
            reason: what is wrong with it, as the end of a sentence that starts with the image.

        Raises:
            ValueError: there are more than `limit`. The message is also kept in `failure`, because TensorFlow wraps
                the error in its own.
        """
        with self._lock:
            if self.failure:  # raised in a prefetched batch, which may never be used
                raise ValueError(self.failure)
            if image not in self.reasons:
                self.reasons[image] = reason
                if self.file:
                    write_text(self.file, _table(self.reasons))
            if self.limit is not None and len(self.reasons) > self.limit:
                self.failure = self._too_many(image, reason)
                raise ValueError(self.failure)

    def _too_many(self, image, reason):
        if self.limit == 0:
            return f"{image} {reason}. Repair or remove it, or skip unreadable images (on_bad_image)."
        listed = f" All are listed in {self.file}." if self.file else ""
        return (
            f"{len(self.reasons)} images cannot be read, more than the {self.limit} that may be skipped "
            f"(max_bad_images). The last is {image}, which {reason}.{listed}"
        )


def default_limit(images: int) -> int:
    """Default maximum number of unreadable images among `images`: 1 in 1,000, at least 10."""
    return max(MINIMUM, int(FRACTION * images))


def limit_of_unreadable(images: int, max_bad_images: int | None, on_bad_image: str) -> int:
    """Maximum number of unreadable images among `images`, by the settings of that name.

    Raises:
        ValueError: a setting has no such value.

    Example:
        >>> from keras_resnet.data.unreadable import limit_of_unreadable
        >>> limit_of_unreadable(50_000, None, "skip"), limit_of_unreadable(50_000, None, "error")
        (50, 0)
    """
    check_name("on_bad_image", on_bad_image, ON_BAD_IMAGE)
    if max_bad_images is not None:
        check("max_bad_images", max_bad_images, WHOLE, NOT_NEGATIVE)
    if on_bad_image == "error":
        return 0
    return default_limit(images) if max_bad_images is None else int(max_bad_images)


def none_readable(images: int, split: str, name: str) -> ValueError:
    """The error to raise if none of the images of a split of a data set can be read.

    Example:
        >>> from keras_resnet.data.unreadable import none_readable
        >>> none_readable(8, "test", "photos")
        ValueError('None of the 8 test images of photos is readable.')
    """
    return ValueError(f"None of the {images} {split} images of {name} is readable.")


def _table(reasons):
    content = io.StringIO(newline="")
    writer = csv.writer(content, delimiter="\t", lineterminator="\n")
    writer.writerow(("image", "reason"))
    writer.writerows(reasons.items())
    return content.getvalue()


def read_unreadable(file: pathlib.Path) -> dict[str, str]:
    """The reason for each image that a bad_images.tsv lists, by the image's name."""
    with file.open(newline="", encoding="utf-8") as table:
        return {row["image"]: row["reason"] for row in csv.DictReader(table, delimiter="\t")}
