"""The launcher of workers, with scripts that need no TensorFlow."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest
from absl import flags
from absl.testing import flagsaver

from keras_resnet.commands import launch as launcher

LAUNCHER = pathlib.Path(__file__).parents[2] / "scripts" / "launch_local.py"


def launch(*arguments):
    command = [sys.executable, LAUNCHER, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture
def script(tmp_path):
    """A script that prints its arguments, and exits with three times its worker's index."""
    path = tmp_path / "script.py"
    path.write_text(
        "import json, os, sys\n"
        "print(*sys.argv[1:])\n"
        "sys.exit(3 * json.loads(os.environ['TF_CONFIG'])['task']['index'])\n"
    )
    return path


@pytest.fixture
def main(tmp_path):
    """A function that runs workers with the text of a script, as the command does, in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    others = set(flags.FLAGS)

    def run(text, workers=2):
        path = tmp_path / "script.py"
        path.write_text("import json, os, signal, sys, time\n" + text)
        with flagsaver.flagsaver(workers=workers):
            return launcher.main(["launch", str(path)])

    launcher.define_flags()
    flags.FLAGS(["launch"])
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for name in set(flags.FLAGS) - others:
        delattr(flags.FLAGS, name)
    flags.FLAGS.set_gnu_getopt(True)


INDEX = "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"


def test_lines_of_workers_stay_whole(main, capfd):
    text = INDEX + (
        "for _ in range(200):\n"
        "    for part in ('a' * 3000, 'b' * 3000, '\\n'):\n"
        "        print(part, end='')\n"
        "print('unfinished', end='')\n"
    )
    assert main(text, workers=3) == 0
    lines = capfd.readouterr().out.splitlines()
    whole = "a" * 3000 + "b" * 3000
    for index in range(3):
        own = [line.removeprefix(f"{index}: ") for line in lines if line.startswith(f"{index}: ")]
        assert own == [whole] * 200 + ["unfinished"]
    assert len(lines) == 3 * 201


def test_worker_that_hangs_after_the_failure_of_another_is_killed(main, capfd, monkeypatch):
    monkeypatch.setattr(launcher, "GRACE_PERIOD", 1.0)
    text = INDEX + "if index == 1: sys.exit(7)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n"
    assert main(text) == 7
    assert capfd.readouterr().out == "0: killed, because it did not exit in time\n"


def test_exit_code_of_a_worker_that_a_signal_ended_is_that_of_shells(main):
    assert main("os.kill(os.getpid(), signal.SIGKILL)\n") == 128 + signal.SIGKILL


def test_hangup_reaches_the_workers(main):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert main("os.kill(os.getppid(), signal.SIGHUP)\ntime.sleep(600)\n", workers=1) == 128 + signal.SIGHUP


def test_hangup_that_nohup_ignores_stays_ignored(main, capfd):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert main("os.kill(os.getppid(), signal.SIGHUP)\nprint(signal.getsignal(signal.SIGHUP).name)\n", workers=1) == 0
    assert capfd.readouterr().out == "0: SIG_IGN\n"


@pytest.mark.slow
@pytest.mark.parametrize("script_reaction", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"])
def test_ctrl_c_ends_all_workers_and_is_reported_once(tmp_path, script_reaction):
    path = tmp_path / "script.py"
    path.write_text(
        f"import os, signal, time\n{script_reaction}print('started', os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, LAUNCHER, "--workers=2", path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started = []
    while len(started) < 2:
        line = process.stdout.readline()
        assert line, "the launcher ended"
        started += [int(line.split()[2])] if "started" in line else []
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - sent < 30
    assert process.returncode != 0
    assert output.count("interrupted") == 1
    assert "Traceback" not in output
    for number in started:
        assert not pathlib.Path(f"/proc/{number}").exists()


@pytest.mark.slow
def test_flags_after_the_script_are_its_own_and_its_failure_is_passed_on(script):
    done = launch("--workers=2", script, "--data_dir=PHOTOS", "--workdir=runs/two", "--workers=7", "--help")
    assert done.returncode == 3, done.stderr
    flags = "--data_dir=PHOTOS --workdir=runs/two --workers=7 --help"
    assert sorted(done.stdout.splitlines()) == [f"0: {flags}", f"1: {flags}"]


def test_launcher_needs_a_script():
    nothing = launch("--workers=2")
    assert nothing.returncode == 1
    assert nothing.stderr == "usage: launch_local.py [flags] COMMAND...\n"
    missing = launch("scripts/trian.py", "--workdir=run")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: There is no script 'scripts/trian.py'")
    group = launch("--workers=1", "analyze", "gradients")
    assert group.stderr == "error: `keras-resnet analyze` runs in one process; run it without launch.\n"


def test_workers_run_commands_by_name():
    done = launch("--workers=2", "train", "--recipe=digits", "--help")
    assert done.returncode == 0, done.stderr
    for worker in range(2):
        assert f"{worker}: Defaults are in brackets; they are those of the recipe digits." in done.stdout
