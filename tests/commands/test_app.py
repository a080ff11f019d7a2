"""How commands show messages and end."""

import logging
import os
import signal
import subprocess
import sys
import types

import pytest
from absl import logging as absl_logging

from keras_resnet.commands import app
from keras_resnet.commands.table import Command
from tests.commands.running import ended


@pytest.fixture
def run(monkeypatch):
    """A function that runs a `main` as a command, and returns how it ends."""

    def run_main(main, *arguments, named=""):
        module = types.ModuleType("a_command")
        module.define_flags, module.main = (lambda: None), main
        monkeypatch.setitem(sys.modules, "a_command", module)
        command = Command("a_command", "Does something.", named, needs_tensorflow=False)
        return ended(app.run, command, ["scripts/script.py", *arguments])

    return run_main


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, ImportError, FloatingPointError, MemoryError])
def test_explained_errors_are_one_line(run, error):
    assert run(raising(error("Give a\n--workdir."))) == (1, "", "error: Give a --workdir.\n")


def test_endless_messages_are_shortened(run):
    code, _, stderr = run(raising(ValueError("a" * 10_000 + " is too long.")))
    assert code == 1
    assert len(stderr) < 1_100
    assert stderr.endswith(" is too long.\n")


def test_ctrl_c_is_one_line_and_exit_code_130(run):
    assert run(raising(KeyboardInterrupt())) == (130, "", "interrupted; completed work is kept\n")


def test_bugs_keep_their_traceback(run):
    with pytest.raises(TypeError, match="a bug"):
        run(raising(TypeError("a bug")))


def test_messages_of_the_package_are_plain_lines_on_stdout(run):
    def main(argv):
        print("before")
        logger = logging.getLogger("keras_resnet.training.loop")
        logger.debug("not shown")
        logger.info("Resuming %s.", "run")
        logger.warning("damaged")
        return 3

    assert run(main) == (3, "before\nResuming run.\ndamaged\n", "")


@pytest.mark.parametrize(("arguments", "verbosity"), [((), "-1"), (("--verbosity=1",), "1")])
def test_messages_of_other_packages_begin_at_warnings_unless_a_flag_says_otherwise(run, arguments, verbosity):
    assert run(lambda argv: print(absl_logging.get_verbosity()), *arguments) == (0, f"{verbosity}\n", "")


@pytest.mark.parametrize(
    ("named", "arguments", "accepted"),
    [
        ("", (), True),
        ("", ("extra",), False),
        ("RUN IMAGE...", ("run",), False),
        ("RUN IMAGE...", ("run", "a", "b", "c"), True),
        ("PHOTOS RECORDS", ("photos",), False),
        ("PHOTOS RECORDS", ("photos", "records", "more"), False),
        ("PHOTOS RECORDS", ("photos", ""), False),
        ("[PATTERN]", (), True),
        ("[PATTERN]", ("a", "b"), False),
    ],
)
def test_a_wrong_number_of_arguments_shows_the_usage(run, named, arguments, accepted):
    usage = f"usage: script.py [flags] {named}".rstrip()
    assert run(lambda argv: None, *arguments, named=named) == ((0, "", "") if accepted else (1, "", f"{usage}\n"))


COMMAND = """
import sys, time, warnings
from keras_resnet.commands import app
from keras_resnet.commands.table import Command

def define_flags(): pass

def main(argv):
    warnings.warn("The classifier keeps\\nits random weights.")
    print("ready", flush=True)
    for _ in range(10_000):
        print("row", flush=True)
        time.sleep(0.01)

app.run(Command("__main__", "Prints rows.", needs_tensorflow=False), sys.argv)
"""
WARNING = "warning: The classifier keeps its random weights.\n"  # without the line of source code


@pytest.fixture
def rows(tmp_path):
    """A process that warns and prints rows. It is named as the command, and so starts without Keras."""
    path = tmp_path / "keras-resnet"
    path.write_text(COMMAND)
    return lambda: subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_warnings_are_one_line_and_a_closed_pipe_ends_a_command_without_a_word(rows):
    with rows() as process:
        assert process.stdout.readline() == "ready\n"
        process.stdout.close()
        assert process.stderr.read() == WARNING
        assert process.wait(60) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("children_receive_ctrl_c")
def test_sigint_to_the_process_is_one_line_and_exit_code_130(rows):
    with rows() as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, stderr) == (130, f"{WARNING}interrupted; completed work is kept\n")
