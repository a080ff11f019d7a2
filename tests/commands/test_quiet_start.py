"""What the filter of TensorFlow's start drops, and what it passes on."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_resnet.commands import quiet_start
from keras_resnet.commands.quiet_start import NOISE

# Printed by TensorFlow 2.21 when it is imported and looks for devices, on a machine without a GPU.
DROPPED = [
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    b"I0000 00:00:1795644303.447891   14860 port.cc:153] oneDNN custom operations are on.\n",
    b"I0000 00:00:1795644303.448540   14860 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n",
    b"W0000 00:00:1795644303.448540   14860 gpu_device.cc:2342] Cannot dlopen some GPU libraries.\n",
    b"E0000 00:00:1795644617.418127   22515 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: "
    b"Failed call to cuInit: UNKNOWN ERROR (303)\n",
]
PASSED_ON = [
    b"Traceback (most recent call last):\n",
    b"ImportError: libtensorflow_cc.so.2: cannot open shared object file\n",
    b"E0000 00:00:1795644617.418127   22515 cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_NO_DEVICE: none\n",
    b"F0000 00:00:1795644617.418127   22515 cpu_feature_guard.cc:80] The TensorFlow library was compiled to use AVX.\n",
    b"I am not a log message\n",
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("line", DROPPED)
def test_start_messages_are_dropped(line):
    assert NOISE.match(line)


@pytest.mark.parametrize("line", PASSED_ON)
def test_errors_are_passed_on(line):
    assert not NOISE.match(line)


def test_the_filter_is_this_file_as_a_program():
    lines = b"".join([*DROPPED, *PASSED_ON, *DROPPED, b"without an end"])
    done = subprocess.run([sys.executable, quiet_start.__file__], input=lines, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"".join([*PASSED_ON, b"without an end"]), b"")


PROGRAM = """
import os, sys
from keras_resnet.commands.quiet_start import _filtered_stderr

with _filtered_stderr():
    os.write(2, {noise!r} + b"one\\n")
    print("two", file=sys.stderr)
    {then}
os.write(2, b"four\\n")
"""


OUTLIVED = """
import os, subprocess, sys, time
from keras_resnet.commands.quiet_start import _filtered_stderr

with _filtered_stderr():
    print("one", file=sys.stderr)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("two", file=sys.stderr)
child.kill()
"""


def test_a_process_that_was_started_meanwhile_may_outlive_it(tmp_path):
    program = tmp_path / "keras-resnet"  # so that it starts without Keras
    program.write_text(OUTLIVED)
    with (tmp_path / "stderr").open("w") as stderr:
        done = subprocess.run([sys.executable, program], stderr=stderr, timeout=30)
    assert done.returncode == 0
    assert (tmp_path / "stderr").read_text() == "one\ntwo\n"


INTERRUPTED = """
import os, signal, sys
from keras_resnet.commands import app
from keras_resnet.commands.quiet_start import _filtered_stderr
from keras_resnet.commands.table import Command

def define_flags(): pass

def main(argv):
    with _filtered_stderr():
        os.killpg(0, signal.SIGINT)  # as Ctrl-C does, here before the filter has started
        signal.pause()

app.run(Command("__main__", "Is interrupted.", needs_tensorflow=False), sys.argv)
"""


@pytest.mark.parametrize(
    ("then", "last_words"),
    [
        ("pass", "one\ntwo\nfour\n"),
        ("sys.exit('three')", "one\ntwo\nthree\n"),
        ("os.write(2, b'three'); os.abort()", "one\ntwo\nthree"),
    ],
    ids=["success", "error", "abort"],
)
def test_what_else_is_written_meanwhile_arrives_whatever_happens(then, last_words, tmp_path):
    program = tmp_path / "keras-resnet"  # so that it starts without Keras
    program.write_text(PROGRAM.format(noise=b"".join(DROPPED), then=then))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert done.stderr == last_words


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("children_receive_ctrl_c")
def test_ctrl_c_meanwhile_is_one_line(tmp_path):
    program = tmp_path / "keras-resnet"
    program.write_text(INTERRUPTED)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, start_new_session=True)
    assert (done.returncode, done.stderr) == (130, "interrupted; completed work is kept\n")


STARTS = """
import signal, sys
from keras_resnet.commands import app
from keras_resnet.commands.table import Command

def define_flags(): pass

def main(argv):
    signal.pause()

print("starts", flush=True)
app.run(Command("__main__", "Waits."), sys.argv)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("children_receive_ctrl_c")
@pytest.mark.parametrize("delay", [0.3, 1.0, 2.0])
def test_ctrl_c_while_tensorflow_is_imported_ends_a_command(delay, tmp_path):
    """TensorFlow's and Keras's modules catch exceptions of their imports, and Ctrl-C with them."""
    program = tmp_path / "keras-resnet"
    program.write_text(STARTS)
    process = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "starts\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "interrupted; completed work is kept\n")


@pytest.mark.slow
def test_a_command_that_uses_tensorflow_prints_no_log_messages(tmp_path):
    command = [sys.executable, "-m", "keras_resnet", "list", "resnet8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("| `resnet8` |")
