"""Pillow's decoding against TensorFlow's; formats, orientations and damage are in tests/data/test_decoding.py."""

import concurrent.futures
import csv
import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_resnet.data.decoding import decode_bytes
from keras_resnet.runtimes.decoding import decode_as_stored, decode_image, upright_rgb
from keras_resnet.runtimes.quiet_pillow import quiet_pillow
from tests.photos import encode, scene


def test_photos_are_tensorflows(local_data):
    paths = sorted((local_data / "photos").rglob("*.[jJ]*"))
    for path in [*paths[::100], *sorted((local_data / "photos" / "full_size").glob("*"))]:
        content = path.read_bytes()
        np.testing.assert_array_equal(decode_as_stored(content), decode_bytes(content), err_msg=path.name)


def test_odd_images_are_tensorflows(local_data):
    """Equal pixels, but for the rounding of CMYK, and the same files are refused."""
    with open(local_data / "odd_images" / "MANIFEST.tsv", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    for row in rows:
        content = (local_data / "odd_images" / row["file"]).read_bytes()
        expected, found = outcome(decode_bytes, content), outcome(decode_as_stored, content)
        if isinstance(expected, str) or row["mode"] != "CMYK":
            np.testing.assert_array_equal(found, expected, err_msg=row["file"])
        else:
            assert np.abs(found.astype(int) - expected).max() <= 1, row["file"]


def outcome(decode, content):
    """The pixels, or the error's message."""
    try:
        return decode(content)
    except ValueError as error:
        return str(error)


def test_damaged_metadata_leave_the_pixels():
    image = scene(8, 6)
    content = encode(image, "PNG", exif=b"Exif\0\0noise")
    np.testing.assert_array_equal(decode_image(content), image)


def test_one_pil_image_in_several_threads():
    """It reads its file when it is first used."""
    expected = scene(300, 400)
    for _ in range(5):
        image = Image.open(io.BytesIO(encode(expected)))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for found in pool.map(upright_rgb, [image] * 8):
                np.testing.assert_array_equal(found, expected)


def test_warnings_are_shown_again_after_overlapping_threads():
    first_inside, second_inside, first_outside = (threading.Event() for _ in range(3))

    def first():
        with quiet_pillow():
            first_inside.set()
            second_inside.wait()
        first_outside.set()

    thread = threading.Thread(target=first)
    before = list(warnings.filters)
    thread.start()
    first_inside.wait()
    with quiet_pillow():  # begins before the other thread's context ends, and ends after it
        assert warnings.filters != before
        second_inside.set()
        first_outside.wait()
        assert warnings.filters != before
    thread.join()
    assert warnings.filters == before


def test_jpegs_of_very_many_scans_are_refused():
    """Each scan of a progressive JPEG takes the time of a whole image."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    assert 1 < content.count(b"\xff\xda") <= 20
    decode_image(content)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match="has more than 100 scans"):
        decode_image(content[:-2] + 100 * scan + content[-2:])
