"""The memory of a machine, and of a container with a limit."""

import os

import pytest

from keras_resnet.runtimes import memory

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("limit", "expected"), [("4096\n", 4096), ("max\n", MACHINE), (f"{2 * MACHINE}\n", MACHINE), (None, MACHINE)]
)
def test_the_smaller_of_the_machines_memory_and_the_containers_counts(limit, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "memory.max")
    if limit:
        (tmp_path / "memory.max").write_text(limit)
    assert memory.machine_memory() == expected
