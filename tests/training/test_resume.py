"""Runs that are killed at any moment end with the weights of the run that was not, to the bit."""

import csv
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

RUNNER = pathlib.Path(__file__).with_name("resumed_run.py")
KILLS = 20


class Runner:
    """Starts trainings in children of a process that has TensorFlow already."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=RUNNER.parent.parent
        )

    def start(self, workdir, limit=""):
        self.process.stdin.write(f"{workdir} {limit}\n")
        self.process.stdin.flush()
        return self._read("process")

    def wait(self):
        return self._read("exit")

    def _read(self, kind):
        """The number on the next line; after a failed test, the runner may be at another than expected."""
        found, number = self.process.stdout.readline().split()
        assert found == kind
        return int(number)

    def close(self):
        self.process.communicate()


@pytest.fixture(scope="module")
def runner():
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def whole(runner, tmp_path_factory):
    """The run that nothing interrupts."""
    workdir = tmp_path_factory.mktemp("resume") / "whole"
    runner.start(workdir)
    assert runner.wait() == 0, pathlib.Path(f"{workdir}.out").read_text()
    return workdir


def wait_for(condition, seconds=200):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


def newest(workdir):
    return max((path.name for path in (workdir / "checkpoints").glob("*.json")), default="")


def is_writing(workdir):
    return any((workdir / "checkpoints").glob(".writing-*/*"))


def ended(process):
    return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def strike(process, workdir, number, before):
    """Kills the run once it has got on: in a write, after an epoch, at any moment, or with a grace period."""
    wait_for(lambda: newest(workdir) > before or ended(process))
    kind = ("write", "epoch", "moment", "grace")[number % 4]
    if kind == "write":
        wait_for(lambda: is_writing(workdir) or ended(process))
    if kind == "epoch":
        rows = (workdir / "log.csv").stat().st_mtime_ns if (workdir / "log.csv").exists() else 0
        wait_for(
            lambda: (
                ((workdir / "log.csv").exists() and (workdir / "log.csv").stat().st_mtime_ns > rows) or ended(process)
            )
        )
    if kind == "moment":
        time.sleep(random.Random(number).uniform(0, 0.3))
    os.kill(process, signal.SIGTERM if kind == "grace" else signal.SIGKILL)
    return kind


def log(workdir):
    with open(workdir / "log.csv", newline="") as file:
        return [{key: row[key] for key in row if key not in ("images_per_second", "data_time")}
                for row in csv.DictReader(file)]  # fmt: skip


def assert_same(workdir, whole):
    assert pathlib.Path(f"{workdir}.sha256").read_text() == pathlib.Path(f"{whole}.sha256").read_text()
    assert log(workdir) == log(whole)


@pytest.mark.exhaustive
def test_killed_again_and_again_it_ends_with_the_same_weights(runner, whole, tmp_path):
    workdir = tmp_path / "run"
    codes = {}
    for number in range(KILLS):
        before = newest(workdir)
        process = runner.start(workdir)
        kind = strike(process, workdir, number, before)
        codes.setdefault(kind, []).append(runner.wait())
    # A kill that came after the end would have been none.
    assert codes == {
        "write": [-signal.SIGKILL] * 5,
        "epoch": [-signal.SIGKILL] * 5,
        "moment": [-signal.SIGKILL] * 5,
        "grace": [128 + signal.SIGTERM] * 5,
    }
    runner.start(workdir)
    assert runner.wait() == 0
    assert_same(workdir, whole)
    output = pathlib.Path(f"{workdir}.out").read_text()
    assert output.count("Resuming") == KILLS
    assert output.count("Preempted: saved after") == 5
    assert not any(workdir.glob("checkpoints/.writing-*/*"))


@pytest.mark.exhaustive
def test_full_disk_keeps_the_last_checkpoint(runner, whole, tmp_path):
    """First too little room for the recipe's file, then for a checkpoint, then enough."""
    workdir = tmp_path / "run"
    process = runner.start(workdir)
    wait_for(lambda: newest(workdir) > "epoch-00001")
    os.kill(process, signal.SIGKILL)
    runner.wait()
    before = newest(workdir)
    runner.start(workdir, 20_000)
    assert runner.wait() == 1
    assert newest(workdir) == before
    assert "cannot be written" in pathlib.Path(f"{workdir}.out").read_text()
    runner.start(workdir)
    assert runner.wait() == 0
    assert_same(workdir, whole)


@pytest.mark.exhaustive
def test_damaged_newest_checkpoint(runner, whole, tmp_path):
    workdir = tmp_path / "run"
    process = runner.start(workdir)
    wait_for(lambda: newest(workdir) > "epoch-00001-step-0000020")
    os.kill(process, signal.SIGKILL)
    runner.wait()
    weights = workdir / "checkpoints" / newest(workdir).replace(".json", ".npz")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    runner.start(workdir)
    assert runner.wait() == 0
    assert f"{newest_of(weights)} is damaged" in pathlib.Path(f"{workdir}.out").read_text()
    assert_same(workdir, whole)


def newest_of(weights):
    return weights.name.replace(".npz", ".json")
