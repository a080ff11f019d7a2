"""Decoding against Pillow: formats, orientations, damage, bombs."""

import csv
import os
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_resnet.data.decoding import EncodedImage, decode_bytes
from keras_resnet.runtimes.decoding import read_image
from keras_resnet.transforms.boxes import whole_box
from tests.photos import encode, scene

PHOTO = scene(40, 60)
decode_whole = tf.function(lambda content: EncodedImage(content).whole())


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("image", "form", "options"),
    [
        (PHOTO, "JPEG", {}),
        (PHOTO, "JPEG", {"progressive": True}),
        (PHOTO, "JPEG", {"subsampling": 0}),
        (PHOTO[..., 0], "JPEG", {}),
        (PHOTO, "PNG", {}),
        (np.dstack([PHOTO, PHOTO[..., 0]]), "PNG", {}),
        (Image.fromarray(PHOTO).convert("P"), "PNG", {}),
        (PHOTO[..., 0] > 127, "PNG", {}),
        (PHOTO, "GIF", {}),
        (PHOTO, "BMP", {}),
        (Image.fromarray(PHOTO).convert("P"), "BMP", {}),
        (PHOTO, "WEBP", {"lossless": True}),
        (PHOTO, "TIFF", {}),
        (PHOTO, "PPM", {}),
    ],
)
def test_formats_are_pillows_to_the_bit(image, form, options, tmp_path):
    """Whatever the file's name, inside and outside a graph; alpha is dropped."""
    path = tmp_path / "photo.JPEG"
    path.write_bytes(encode(image, form, **options))
    expected = by_pillow(path)
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(decode_whole(tf.constant(path.read_bytes())), expected)


def test_cmyk_is_pillows_up_to_rounding(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(Image.fromarray(PHOTO).convert("CMYK"), "JPEG"))
    assert np.abs(read_image(path).astype(int) - by_pillow(path)).max() <= 1


def test_sixteen_bits_become_eight(tmp_path):
    values = np.arange(0, 65536, 257, dtype="uint16").reshape(16, 16)  # 0x0000, 0x0101, ... 0xffff
    for form in ("PNG", "TIFF"):
        (tmp_path / "deep").write_bytes(encode(values, form))
        np.testing.assert_array_equal(read_image(tmp_path / "deep", channels=1)[..., 0], np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation, tmp_path):
    """The orientations of a PNG, which is lossless."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
        8: lambda x: np.rot90(x, -1),
    }[orientation](PHOTO)
    (tmp_path / "turned.png").write_bytes(encode(np.ascontiguousarray(stored), "PNG", exif=exif))
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), PHOTO)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff_is_applied_once_and_not_by_decoding(orientation, compression, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.tif"
    path.write_bytes(encode(PHOTO, "TIFF", exif=exif, compression=compression))
    np.testing.assert_array_equal(decode_bytes(path.read_bytes()), PHOTO)
    np.testing.assert_array_equal(decode_whole(tf.constant(path.read_bytes())), PHOTO)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(path), ImageOps.exif_transpose(image))


def test_all_orientations_of_a_photo_look_alike(local_data):
    upright = [read_image(path) for path in sorted((local_data / "exif").glob("*.jpg"))]
    assert len(upright) == 9
    for image in upright:
        assert image.shape == (1200, 1800, 3)
        assert np.abs(image[::8, ::8].astype(int) - upright[0][::8, ::8]).mean() < 12  # encoded separately


def test_crop_is_the_part_inside_the_box():
    """Also if the box is not aligned with the JPEG's blocks, and for a PNG."""
    for content in (encode(PHOTO, "JPEG", quality=95), encode(PHOTO, "PNG")):
        expected = decode_bytes(content)
        for top, left, height, width in ((0, 0, 40, 60), (3, 5, 20, 30), (39, 59, 1, 1)):
            box = [top, left, height, width]
            part = EncodedImage(tf.constant(content)).crop(lambda shape, box=box: tf.constant(box))
            inside = slice(1, -1), slice(1, -1)  # chroma at the edge of a part is interpolated without its neighbors
            np.testing.assert_array_equal(
                part[inside], expected[top : top + height, left : left + width][inside], err_msg=str(box)
            )


def test_a_part_much_larger_than_needed_is_decoded_smaller():
    content = encode(scene(256, 320), "JPEG", quality=95)
    for side, shrunk in ((400, 1), (257, 1), (200, 1), (100, 2), (64, 4), (32, 8), (16, 8)):
        part = EncodedImage(tf.constant(content)).crop(whole_box, (side, side))
        assert part.shape == (256 // shrunk, 320 // shrunk, 3)
        means = decode_bytes(content).reshape(256 // shrunk, shrunk, 320 // shrunk, shrunk, 3).mean((1, 3))
        assert np.abs(np.asarray(part, float) - means).mean() < 1.5


def png_of(width, height, rows=1):
    """A PNG file whose header claims this size, with that many rows of data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes((1 + 3 * width) * rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_of(width, height):
    """A JPEG file whose header claims this size."""
    content = bytearray(encode(PHOTO, "JPEG"))
    size = content.index(b"\xff\xc0") + 5  # of the "start of frame" segment
    content[size : size + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no image", "is not an image in a known format"),
        (encode(PHOTO, "JPEG")[:-200], r"is damaged \(image file is truncated"),
        (encode(PHOTO, "PNG")[:-200], "is damaged"),
        (encode(PHOTO, "GIF")[:40], "is "),
        (png_of(20_000, 20_000), "has more than 178,956,970 pixels"),
        (png_of(2**31 - 1, 2**31 - 1), "has more than 178,956,970 pixels"),
        (png_of(60_000, 3_000), "has more than 178,956,970 pixels"),
        (jpeg_of(65_000, 65_000), "has more than 178,956,970 pixels"),
        (encode(PHOTO, "PNG")[:20], "is "),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image in a known format"),
    ],
)
def test_damage_is_one_clear_sentence(content, message, tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\.jpg {message}"):
        read_image(path)
    with pytest.raises(tf.errors.OpError):
        decode_whole(tf.constant(content))


def test_images_beyond_the_limit_are_refused_before_they_are_decoded():
    """Files of which TensorFlow would decode every pixel."""
    for content in (png_of(20_000, 10_000, rows=10_000), jpeg_of(65_000, 65_000)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="has more than 178,956,970 pixels"):
            decode_whole(tf.constant(content))
        with pytest.raises(tf.errors.InvalidArgumentError, match="has more than 178,956,970 pixels"):
            EncodedImage(tf.constant(content)).crop(lambda shape: tf.constant([0, 0, 8, 8]), (8, 8))
        with pytest.raises(ValueError, match=r"^has more than 178,956,970 pixels$"):
            decode_bytes(content)


def test_limit_holds_where_a_program_has_lifted_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    header = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 20_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match=r"^has more than 178,956,970 pixels$"):
        decode_bytes(header)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(ValueError, match=r"cannot be read"):
            read_image(path)


def test_file_name_that_is_not_text(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    with open(path, "wb") as file:
        file.write(encode(PHOTO))
    np.testing.assert_array_equal(read_image(path), PHOTO)
    with open(path, "wb") as file:
        file.write(b"no image")
    with pytest.raises(ValueError, match=r"caf\\xe9\.png is not an image") as caught:
        read_image(path)
    str(caught.value).encode()


def test_truncation_outside_the_box_is_detected():
    content = encode(scene(400, 400), "JPEG", quality=95)[:-300]
    with pytest.raises(tf.errors.OpError):
        EncodedImage(tf.constant(content)).crop(lambda shape: tf.constant([0, 0, 16, 16]))


def test_odd_images_are_what_pillow_says(local_data):
    """Exactly the files that Pillow reads are read, with equal pixels except for 16 bits and CMYK."""
    with open(local_data / "odd_images" / "MANIFEST.tsv", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert len(rows) == 30
    for row in rows:
        path = local_data / "odd_images" / row["file"]
        if row["pillow"].startswith("ok"):
            image = read_image(path)
            if row["mode"] not in ("I;16", "CMYK"):
                np.testing.assert_array_equal(image, by_pillow(path), err_msg=row["file"])
        else:
            with pytest.raises(ValueError, match=" is "):
                read_image(path)
