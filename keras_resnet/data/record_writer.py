"""prepare_records(): image files -> a sharded record set of verified, smaller images in random order."""

import concurrent.futures
import dataclasses
import io
import json
import os
import pathlib
import threading
import warnings

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, JpegImagePlugin

from keras_resnet.data.decoding import JPEG_START, PNG_START, decode_bytes
from keras_resnet.data.examples import Files
from keras_resnet.data.loading import Data
from keras_resnet.data.records import MANIFEST
from keras_resnet.data.unreadable import UnreadableImages, limit_of_unreadable
from keras_resnet.files import SCRATCH, checksum, remove_scratch, write_atomically, write_text
from keras_resnet.progress import bar_shown
from keras_resnet.rules import PATH, POSITIVE_INTEGER, VERBOSE, check
from keras_resnet.runtimes.decoding import FORMATS

IMAGES_IN_SHARD = 1024
PLAN, UNREADABLE = "plan.json", "bad_images.tsv"
RECORD_SUFFIX = ".tfrecord.json"  # of what the manifest will list of a shard, until there is a manifest
QUALITY = 95  # of a JPEG, if the source's is unknown


@dataclasses.dataclass
class Shard:
    """One file of a record set, as the manifest lists it."""

    file: str
    count: int
    bytes: int
    sha256: str
    source_bytes: int
    shrunk: int


def prepare_records(
    data: Data,
    folder: str | os.PathLike,
    short_side: int = 512,
    max_bad_images: int | None = None,
    on_bad_image: str = "skip",
    verbose: int | str = "auto",
) -> list[Shard]:
    """Writes all images of `data` as TFRecord files with a manifest.json, for `load_data(folder)`.

    A JPEG or PNG image whose short side is at most `short_side` is copied unchanged; any other is resized if it is
    larger, and encoded as JPEG, with the source's quality. If interrupted, call it again with the same arguments to
    resume. In a complete set, only shards that are missing or damaged are written again.

    Args:
        data: a folder of photos, from `keras_resnet.load_data`.
        folder: folder to write to: new, empty, or written by an earlier call with the same arguments.
        short_side: maximum short side of an image, pixels.
        max_bad_images: maximum number of unreadable images before stopping; default: 1 in 1,000, at least 10. They are
            left out, and listed in bad_images.tsv.
        on_bad_image: "skip", or "error" to stop at the first unreadable image.
        verbose: 1 to show a progress bar, 0 to hide it, "auto" to show it on a terminal.

    Returns:
        The shards of all splits.

    Raises:
        FileExistsError: `folder` contains other files.
        OSError: `folder` is a file, or is not writable.
        ValueError: `data` is not a folder of photos, a setting is out of range, or too many images are unreadable.

    Example:
        >>> import keras_resnet
        >>> data = keras_resnet.load_data("PHOTOS/", "fb2016")  # doctest: +SKIP
        >>> keras_resnet.prepare_records(data, "RECORDS")  # doctest: +SKIP
    """
    if not isinstance(data, Data) or not all(isinstance(examples, Files) for examples in data.splits.values()):
        raise ValueError("Only photos in folders can be prepared; give the Data of load_data(a folder).")
    check("folder", folder, PATH)
    check("short_side", short_side, POSITIVE_INTEGER)
    check("verbose", verbose, VERBOSE)
    total = sum(map(len, data.splits.values()))
    limit = limit_of_unreadable(total, max_bad_images, on_bad_image)
    folder = pathlib.Path(folder).expanduser()
    _start_or_resume(folder, data, short_side)
    remove_scratch(folder)
    _reopen(folder)
    unreadable = UnreadableImages(folder / UNREADABLE, limit)
    progress = _Progress(total, verbose)
    splits = {
        split: _write_split(folder, split, examples, short_side, unreadable, progress)
        for split, examples in data.splits.items()
    }
    manifest = {
        "class_names": data.class_names,
        "short_side": short_side,
        "bad_images": len(unreadable.reasons),
        "splits": {split: [dataclasses.asdict(shard) for shard in shards] for split, shards in splits.items()},
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    for record in folder.glob(f"*{RECORD_SUFFIX}"):
        record.unlink()
    return [shard for shards in splits.values() for shard in shards]


def _start_or_resume(folder, data, short_side):
    """Creates the folder, or checks that an earlier call with the same arguments did."""
    plan = {
        "data": data.name,
        "short_side": short_side,
        "splits": {split: examples.fingerprint() for split, examples in data.splits.items()},
    }
    if (folder / PLAN).is_file():
        if json.loads((folder / PLAN).read_text(encoding="utf-8")) != plan:
            raise FileExistsError(f"{folder} contains records of other images or another size; choose another folder.")
        return
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; choose a new or empty folder.")
    if folder.exists() and any(not path.name.startswith(SCRATCH) for path in folder.iterdir()):
        raise FileExistsError(f"{folder} contains other files; choose an empty folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"{folder} cannot be created ({error.strerror}).") from error
    write_text(folder / PLAN, json.dumps(plan, indent=1) + "\n")


def _reopen(folder):
    """Gives the intact shards of a complete set their records again, so that resuming it writes only the others.

    It goes by the files that are there: a manifest from elsewhere may name files outside the folder.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {shard["file"]: Shard(**shard) for shards in manifest["splits"].values() for shard in shards}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none yet, or a damaged one
        return
    for path in folder.glob("*.tfrecord"):
        shard, record = listed.get(path.name), path.with_suffix(RECORD_SUFFIX)
        if shard and checksum(path) == shard.sha256:
            write_text(record, json.dumps(dataclasses.asdict(shard)))
        else:
            record.unlink(missing_ok=True)


class _Progress:
    """A progress bar for several threads."""

    def __init__(self, total, verbose):
        self.bar = keras.utils.Progbar(total, verbose=bar_shown(verbose), unit_name="image")
        self.lock = threading.Lock()

    def add(self, images):
        with self.lock:
            self.bar.add(images)


def _write_split(folder, split, examples, short_side, unreadable, progress):
    """Writes the shards of a split that do not exist yet, and returns all of them."""
    names, count = examples.file_names(), max(1, round(len(examples) / IMAGES_IN_SHARD))
    parts = np.array_split(np.random.default_rng(0).permutation(len(examples)), count)  # the same when resumed

    def write(number):
        path = folder / f"{split}-{number:05d}-of-{count:05d}.tfrecord"
        record = path.with_suffix(RECORD_SUFFIX)
        if path.is_file() and record.is_file():
            progress.add(len(parts[number]))
        else:
            shard = _write_shard(path, examples, parts[number], names, short_side, unreadable, progress)
            write_text(record, json.dumps(dataclasses.asdict(shard)))
        return Shard(**json.loads(record.read_text(encoding="utf-8")))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(write, range(count)))


def _write_shard(path, examples, indices, names, short_side, unreadable, progress):
    """Writes the examples at `indices` to a TFRecord file; `names` are the file names of all examples."""
    shard = Shard(path.name, count=0, bytes=0, sha256="", source_bytes=0, shrunk=0)

    def write(scratch):
        with tf.io.TFRecordWriter(scratch) as writer:
            for index in indices:
                try:
                    content = examples.content(index)
                    smaller = shrink(content, short_side)
                except ValueError as error:
                    unreadable.report(examples.name(index), str(error))
                else:
                    shard.count += 1
                    shard.source_bytes += len(content)
                    shard.shrunk += smaller is not content
                    writer.write(_example(smaller, int(examples.labels[index]), names[index]))
                progress.add(1)
        shard.bytes = pathlib.Path(scratch).stat().st_size
        shard.sha256 = checksum(scratch)

    write_atomically(path, write)
    return shard


def shrink(content: bytes, short_side: int) -> bytes:
    """Resizes an encoded image, as JPEG, so that its short side is at most `short_side`.

    Returns:
        The encoded smaller image, or `content` itself if it is a JPEG or PNG image and small enough.

    Raises:
        ValueError: the image cannot be decoded.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.record_writer import shrink
        >>> small = shrink(tf.io.encode_jpeg(tf.zeros((100, 80, 3), tf.uint8)).numpy(), 32)
        >>> tf.io.decode_jpeg(small).shape.as_list()
        [40, 32, 3]
    """
    image = Image.fromarray(decode_bytes(content))
    scale = short_side / min(image.size)
    if scale >= 1 and content.startswith((JPEG_START, PNG_START)):
        return content
    if scale < 1:
        image = image.resize([round(side * scale) for side in image.size], Image.Resampling.LANCZOS, reducing_gap=3)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", **_jpeg_quality(content))
    return encoded.getvalue()


def _jpeg_quality(content):
    """Options of Pillow's `save` that keep the JPEG quality of an encoded image."""
    try:
        with warnings.catch_warnings(action="ignore"):
            source = Image.open(io.BytesIO(content), formats=FORMATS)
    except Exception:  # TensorFlow reads some images that Pillow does not
        return {"quality": QUALITY}
    sampling = JpegImagePlugin.get_sampling(source) if source.format == "JPEG" else -1
    if sampling < 0 or len(source.quantization) < 2:  # grayscale, CMYK, or not a JPEG
        return {"quality": QUALITY}
    return {"qtables": source.quantization, "subsampling": sampling}


def _example(content, label, file_name):
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        "file_name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[os.fsencode(file_name)])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
