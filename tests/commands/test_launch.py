"""The launcher of workers, with scripts that need no TensorFlow."""

import pathlib
import subprocess
import sys

import pytest

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


def test_workers_run_commands_by_name():
    done = launch("--workers=2", "train", "--recipe=digits", "--help")
    assert done.returncode == 0, done.stderr
    for worker in range(2):
        assert f"{worker}: Defaults are in brackets; they are those of the recipe digits." in done.stdout
