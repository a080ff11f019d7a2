"""Processes that train end when they are told to, or when they cannot continue."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.marks import exhaustive
from tests.photos import encode, scene

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = pathlib.Path(__file__).with_name("ended_run.py")
PATIENCE = 60.0  # seconds in which the process must end, also on a busy machine; before, it never did


pytestmark = pytest.mark.usefixtures("children_receive_ctrl_c")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """48 photos; Pillow decodes them, so that Python is called for each. A third is unreadable."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(48):
        path = folder / "train" / f"class{index % 2}" / f"{index:02d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if index % 3 == 0 else encode(scene(40, 50, seed=index), "BMP"))
    return folder


def start(photos, workdir, max_bad_images):
    return subprocess.Popen(
        [sys.executable, "-u", PROGRAM, photos, workdir, str(max_bad_images)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("repetition", range(4))
@pytest.mark.exhaustive
def test_process_ends_after_too_many_unreadable_images(repetition, photos, tmp_path):
    with start(photos, tmp_path / "run", max_bad_images=3) as process:
        for line in process.stdout:
            if line.startswith("ValueError: 4 images cannot be read, more than the 3"):
                break
        else:
            pytest.fail("training has not stopped")
        assert process.wait(PATIENCE) == 1


# TensorFlow 2.21 damages its heap in about one start of sixty while it makes the first iterator of a tf.data pipeline,
# before Ctrl-C arrives: glibc then aborts the process in the destructor of TensorFlow's SingleThreadedCpuDevice.
CRASH_OF_TENSORFLOW, STARTS = "free(): invalid", 3

# The line of output to wait for, and the seconds to wait after it.
MOMENTS = [
    ("", 2.0),
    *(
        exhaustive(*moment)
        for moment in (
            ("", 0.5),
            ("Epoch 3/", 0.1),
            ("ready", 0.0),
            ("ready", 1.0),
            ("Epoch 1/", 0.0),
            ("Epoch 9/", 0.2),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "delay"), MOMENTS)
def test_ctrl_c_ends_the_process_at_any_moment(line, delay, photos, tmp_path):
    for start_number in range(STARTS):
        process = start(photos, tmp_path / f"run{start_number}", max_bad_images=40)
        output = ctrl_c_after(process, line, delay)
        if not (process.returncode == -signal.SIGABRT and CRASH_OF_TENSORFLOW in output):
            break
    assert process.returncode in (1, -signal.SIGINT), output


def ctrl_c_after(process, line, delay):
    """The output of the process, to which Ctrl-C was sent some seconds after a line that begins so."""
    output = []
    while line and not (output and output[-1].startswith(line)):
        output.append(process.stdout.readline())
        assert output[-1], f"the process has ended: {output}"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    return "".join(output) + process.communicate(timeout=PATIENCE)[0]
