"""Fingerprints: every path and size, and the content of evenly spaced files."""

import json
import os
import shutil

import numpy as np
import pytest

from keras_resnet import load_data, prepare_records
from keras_resnet.data.fingerprints import fingerprint_of_files
from tests.photos import write_photos


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos", ["cat", "dog"], 4)


def flip_last_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_changed_photo_of_equal_size_changes_the_fingerprint(photos):
    before = load_data(photos).train.fingerprint()
    assert load_data(photos).train.fingerprint() == before
    flip_last_byte(photos / "dog" / "2.png")
    assert load_data(photos).train.fingerprint() != before


def test_another_label_or_name_changes_the_fingerprint(photos):
    before = load_data(photos).train.fingerprint()
    (photos / "dog" / "2.png").rename(photos / "dog" / "9.png")
    renamed = load_data(photos).train.fingerprint()
    (photos / "dog").rename(photos / "ant")
    assert len({before, renamed, load_data(photos).train.fingerprint()}) == 3


def test_only_the_content_of_evenly_spaced_files_is_read_up_to_the_limit(tmp_path):
    files = [tmp_path / str(number) for number in range(10)]
    for file in files:
        file.write_bytes(bytes(100))
    names = [file.name for file in files]
    before = fingerprint_of_files(files, names, content_read=500)
    noticed = []
    for file in files:
        flip_last_byte(file)
        noticed.append(fingerprint_of_files(files, names, content_read=500) != before)
        flip_last_byte(file)
    assert noticed == [True, False] * 5
    files[1].write_bytes(bytes(101))
    assert fingerprint_of_files(files, names, content_read=500) != before


def test_missing_files_and_folders_do_not_raise(photos):
    (photos / "cat" / "link.png").symlink_to("nowhere.png")
    (photos / "cat" / "folder.png").mkdir()
    before = load_data(photos).train.fingerprint()
    (photos / "cat" / "nowhere.png").write_bytes(b"now it exists")
    os.remove(photos / "cat" / "nowhere.png")
    assert load_data(photos).train.fingerprint() == before


def test_a_changed_shard_or_manifest_changes_the_fingerprint(photos, tmp_path):
    prepare_records(load_data(photos), tmp_path / "set", verbose=0)
    before = load_data(tmp_path / "set").train.fingerprint()
    assert load_data(shutil.copytree(tmp_path / "set", tmp_path / "copy")).train.fingerprint() == before
    (shard,) = (tmp_path / "set").glob("*.tfrecord")
    flip_last_byte(shard)
    assert load_data(tmp_path / "set").train.fingerprint() != before
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    manifest["splits"]["train"][0]["sha256"] = "0"
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest))
    assert load_data(tmp_path / "copy").train.fingerprint() != before


def test_the_fingerprint_of_arrays_is_that_of_earlier_versions():
    """A run that they began is resumed."""
    train = load_data((np.arange(24, dtype="uint8").reshape(2, 2, 2, 3), [1, 0])).train
    assert train.fingerprint() == "f9e79c2ef8d6b91b36e4b02f43b167630038c0ec30ebb80fa1829bf487f10711"
