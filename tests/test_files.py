"""Files and folders are replaced completely or not at all."""

import errno
import os
import pathlib
import stat

import pytest

from keras_resnet.files import replace, write_text


def test_a_disk_that_cannot_sync_folders_keeps_the_new_file(tmp_path, monkeypatch):
    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    write_text(tmp_path / "log.csv", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_older_folder_stays_if_the_new_one_cannot_take_its_place(tmp_path):
    old = tmp_path / "net"
    old.mkdir()
    (old / "model").write_text("older")
    with pytest.raises(FileNotFoundError):
        replace(tmp_path / "missing", old)
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert (old / "model").read_text() == "older"


def test_newer_folder_stays_if_ctrl_c_arrives_once_it_has_its_place(tmp_path, monkeypatch):
    for name in ("net", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").write_text(name)
    rename = pathlib.Path.rename

    def interrupted(self, target):
        moved = rename(self, target)
        if self.name == "new":
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(pathlib.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "new", tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert (tmp_path / "net" / "model").read_text() == "new"
