"""Files and folders are replaced completely or not at all."""

import pytest

from keras_resnet.files import replace


def test_older_folder_stays_if_the_new_one_cannot_take_its_place(tmp_path):
    old = tmp_path / "net"
    old.mkdir()
    (old / "model").write_text("older")
    with pytest.raises(FileNotFoundError):
        replace(tmp_path / "missing", old)
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert (old / "model").read_text() == "older"
