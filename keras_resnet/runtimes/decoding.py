"""Decodes image files with Pillow."""

import io
import os
import pathlib
import threading

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from keras_resnet.errors import first_line
from keras_resnet.rules import PATH, check
from keras_resnet.runtimes.quiet_pillow import quiet_pillow

# The formats Pillow may read. Not all it can: its EPS reader, for example, runs another program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm")  # of the images in a folder
MAX_PIXELS = 2 * 89_478_485  # of an image, against decompression bombs; Pillow's limit, too, unless a program moves it
JPEG_START, JPEG_SCAN = b"\xff\xd8", b"\xff\xda"  # markers
MAX_SCANS = 100  # of a progressive JPEG, which has about 10; each takes the time of a whole image
TOO_LARGE = f"has more than {MAX_PIXELS:,} pixels"
UPRIGHT = 1  # the EXIF orientation
TURNS = {  # from the other EXIF orientations to the upright image
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_one_image = threading.Lock()  # threads may get the same PIL image, which reads its file when it is first used
INVERSE = {6: 8, 8: 6}  # of EXIF orientations; every other one is its own inverse


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def printable(path: str | os.PathLike) -> str:
    r"""A path as text that can be printed and written as UTF-8: other bytes of its name become `\xNN`.

    Example:
        >>> from keras_resnet.runtimes.decoding import printable
        >>> print(printable("caf\udce9.jpg"))  # how Python spells the file name b"caf\xe9.jpg"
        caf\xe9.jpg
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_image(path: str | os.PathLike, channels: int = 3) -> np.ndarray:
    """Reads an image file as uint8 (height, width, channels), upright.

    Supports JPEG (including progressive, grayscale, CMYK and YCCK), PNG (including palette and 16 bits), GIF and WebP
    (first frame), BMP, TIFF and PPM; the file's suffix does not matter. Drops alpha, reduces 16 bits to 8 and applies
    the EXIF orientation.

    Args:
        path: of the file.
        channels: 3 for RGB, 1 for grayscale.

    Raises:
        ValueError: the file is missing, empty, damaged, too large or not a supported image; the message names it.

    Example:
        >>> import keras_resnet.runtimes.decoding
        >>> image = keras_resnet.runtimes.decoding.read_image("cat.jpg")  # doctest: +SKIP
    """
    check("image", path, PATH)
    try:
        return decode_image(read_bytes(path), channels)
    except ValueError as error:
        raise ValueError(f"{printable(path)} {error}.") from error


def decode_image(content: bytes, channels: int = 3) -> np.ndarray:
    """Decodes the content of an image file as `read_image` does.

    Raises:
        ValueError: the content is empty, damaged, not an image or too large; the message says which.

    Example:
        >>> import io, PIL.Image
        >>> from keras_resnet.runtimes.decoding import decode_image
        >>> file = io.BytesIO()
        >>> PIL.Image.new("RGB", (6, 8)).save(file, "PNG")
        >>> decode_image(file.getvalue(), channels=1).shape
        (8, 6, 1)
    """
    image, orientation = _decoded(content)
    image = _turned(image, orientation)
    return np.asarray(image) if channels == 3 else np.asarray(image.convert("L"))[..., None]


def decode_as_stored(content: bytes) -> np.ndarray:
    """Decodes a whole image to uint8 (height, width, 3), without applying its EXIF orientation.

    Raises:
        ValueError: as `decode_image`.
    """
    image, _ = _decoded(content)
    return np.array(image)


def upright_rgb(image: Image.Image) -> np.ndarray:
    """The pixels of a PIL image as those of a file: uint8 (height, width, 3), upright.

    Raises:
        ValueError: the image is damaged, which Pillow may only find out now.
    """
    try:
        with _one_image, quiet_pillow():
            image.load()
            return np.asarray(_turned(_rgb(image), _orientation(image)))
    except Exception as error:  # Pillow's readers raise errors of any type
        raise ValueError(f"is damaged ({first_line(error)})") from error


def _decoded(content: bytes) -> tuple[Image.Image, int]:
    """The pixels as RGB, in the order in which the file stores them, and their EXIF orientation."""
    if not content:
        raise ValueError("is empty")
    if content.startswith(JPEG_START) and content.count(JPEG_SCAN) > MAX_SCANS:
        raise ValueError(f"has more than {MAX_SCANS} scans")
    try:
        with quiet_pillow():
            opened = Image.open(io.BytesIO(content), formats=FORMATS)
            too_large = opened.width * opened.height > MAX_PIXELS
            image, orientation = (opened, UPRIGHT) if too_large else _loaded(opened)
    except UnidentifiedImageError:
        formats = ", ".join(FORMATS)
        raise ValueError(f"is not an image in a known format ({formats}), or its header is damaged") from None
    except Image.DecompressionBombError:
        raise ValueError(TOO_LARGE) from None
    except Exception as error:  # Pillow's readers raise errors of any type
        raise ValueError(f"is damaged ({first_line(error)})") from None
    if too_large:
        raise ValueError(TOO_LARGE)
    if 0 in image.size:
        raise ValueError("has no pixels")
    return _rgb(image), orientation


def _loaded(image: Image.Image) -> tuple[Image.Image, int]:
    """An opened image with the pixels loaded, in the order in which its file stores them, and its EXIF orientation."""
    if image.format != "TIFF":
        image.load()  # before the orientation is read, which may load the image and hide an error
        return image, _orientation(image)
    stored = _orientation(image)
    image.load()  # turns a TIFF upright, and then forgets its orientation
    was_turned = _orientation(image) != stored
    return _turned(image, INVERSE.get(stored, stored)) if was_turned else image, stored


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image; upright if its metadata are damaged, because the pixels are good."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except Exception:  # Pillow raises errors of any type
        return UPRIGHT


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """An image whose pixels are stored in an EXIF orientation, upright; unknown orientations count as upright."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB: alpha is dropped, and 16 bits are reduced to 8."""
    if image.mode.startswith("I"):  # 16 bits
        image = Image.fromarray(np.clip(np.asarray(image, "int64") >> 8, 0, 255).astype("uint8"))
    return image if image.mode == "RGB" else image.convert("RGB")
