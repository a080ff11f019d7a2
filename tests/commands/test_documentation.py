"""The documented commands and Python examples, as they stand.

Each line, also in sentences and tables, must find its script and parse its flags. A block of each kind runs in a folder
laid out like a clone, where PHOTOS and RUN exist as in the documentation, on small data; long trainings are made short
by flags after the line.
"""

import ast
import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest

import keras_resnet
from keras_resnet.commands import main
from keras_resnet.commands.quiet_start import NOISE
from keras_resnet.commands.table import COMMAND_GROUPS, COMMANDS
from tests.commands.documentation import blocks, inline_commands
from tests.commands.running import ended
from tests.conftest import REPOSITORY
from tests.photos import encode, scene, write_scenes

SHELL, PYTHON = blocks("shell"), blocks("python")
LINES = sorted({line for block in SHELL for line in block.lines} | set(inline_commands()))


def words(line):
    """A line's words, without a comment and variables of the environment."""
    found = shlex.split(line, comments=True)
    while re.match(r"[A-Z_]+=", found[0]):
        found.pop(0)
    return found


def parsed(command, monkeypatch):
    """How a command ends with --help, which parses all flags before; for `launch` also the workers' command."""
    program, *arguments = command
    name = arguments.pop(0)
    if program == "keras-resnet":
        words = [name, arguments.pop(0)] if name in COMMAND_GROUPS else [name]
        monkeypatch.setattr(sys, "argv", [program, *words, "--help", *arguments])
        result = ended(main.main)
    else:
        monkeypatch.setattr(sys, "argv", [name, "--help", *arguments])
        result = ended(lambda: runpy.run_path(str(REPOSITORY / name), run_name="__main__"))
    launched = [word for word in arguments if not word.startswith("--workers")] if "launch" in name else []
    if result.code == 0 and launched:
        by_name = launched[0] in COMMANDS
        return parsed(["keras-resnet" if by_name else "python", *launched], monkeypatch)
    return result


@pytest.mark.parametrize("line", LINES)
def test_each_documented_command_exists_and_takes_its_flags(line, monkeypatch):
    program, *arguments = words(line)
    if program == "make":
        assert f"\n{arguments[0]}:" in (REPOSITORY / "Makefile").read_text()
    elif program == ".":
        assert arguments == [".venv/bin/activate"]
    elif arguments[0].startswith("benchmarks/"):
        programs = [REPOSITORY / arguments[0], REPOSITORY / "benchmarks/program.py"]  # its own flags, and those of all
        sources = "".join(path.read_text() for path in programs)
        for flag in re.findall(r"--(\w+)", line):
            assert f'("{flag}"' in sources
    else:
        assert program in (".venv/bin/python", "python", "keras-resnet")
        result = parsed([program, *arguments], monkeypatch)
        assert (result.code, result.stderr) == (0, "")
        assert result.stdout.startswith("usage: ")


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_each_python_example_is_valid_and_uses_public_names(block):
    ast.parse(block.text)
    for name in re.findall(r"keras_resnet\.(\w+)", block.text):
        assert name in dir(keras_resnet)


NET = "--model=resnet20_cifar --image_size=32 --batch_size=8 --epochs=1"
SHORTER = {  # what is put after the lines with these scripts or commands
    "train_imagenet.py": NET,
    "train --data_dir=": NET,
    "--recipe=cifar_he2015": "--model=resnet20_cifar --epochs=1",
    "finetune": f"{NET} --weights=start.keras",
}


@pytest.fixture
def clone(tmp_path, tiny_cifar):
    """A folder laid out like a clone, with the installed commands, and the files that the documentation names."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    entry_point = f"#!{sys.executable}\nfrom keras_resnet.commands.main import main\nmain()\n"
    for name, text in (("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'), ("keras-resnet", entry_point)):
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    (bin_folder / "activate").write_text(f'PATH="{bin_folder}:$PATH"\n')
    (tmp_path / "scripts").symlink_to(REPOSITORY / "scripts")
    (tmp_path / "tensorflow_datasets").symlink_to(tiny_cifar)
    write_scenes(tmp_path / "PHOTOS" / "train", ["cat", "ship"], 12)
    write_scenes(tmp_path / "PHOTOS" / "val", ["cat", "ship"], 2)
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(("cat.png", "ship.png", "cat.jpg", "photos/dog.png")):
        (tmp_path / name).write_bytes(encode(scene(32, 32, seed), "JPEG" if name.endswith(".jpg") else "PNG"))
    net = keras_resnet.create_model("resnet20_cifar")
    for name in ("start.keras", "net.keras"):
        net.save(tmp_path / name)
    return tmp_path


def start(line, folder):
    """Starts a line in a shell, as a user whose home is the folder."""
    path = f"{folder / '.venv/bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(folder), "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("TFDS_DATA_DIR", None)
    pipe = subprocess.PIPE
    return subprocess.Popen(["bash", "-c", line], cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def run(line, folder):
    """Runs a line to its end; its output on standard error."""
    with start(line, folder) as process:
        _, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    return stderr


def shortened(line):
    """A line, with flags after it that make a long training short."""
    return " ".join([line, *(extra for part, extra in SHORTER.items() if part in line)])


README = [block for block in SHELL if block.page == "README.md" and "--workdir=RUN" in block.text]
OTHERS = [block for block in SHELL if re.search(r"launch|--dry_run|PHOTOS RECORDS", block.text) and block not in README]


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", [*README, *OTHERS], ids=lambda block: block.name)
def test_documented_commands_run_one_after_the_other(block, clone):
    for line in block.lines:
        stderr = run(shortened(line), clone)
        assert not [each for each in stderr.splitlines() if NOISE.match(each.encode())]
    if "--workdir=RUN" in block.text:
        assert (clone / "RUN" / "result.json").is_file()


PREDICTIONS = [  # analyses that do not train, and answers of weights of this package
    line
    for block in SHELL
    for line in block.lines
    if ("keras-resnet analyze" in line and " --epochs" not in line)
    or "predict keras_resnet/" in line
    or "--weights=cifar10" in line
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", PREDICTIONS)
def test_documented_analyses_and_predictions_run(line, clone):
    for name in re.findall(r"\bRUN2?\b", line):
        run(f"keras-resnet train --data=cifar10 --epochs=1 --workdir={name}", clone)
    run(line, clone)
    assert "analyze" not in line or list(clone.glob("**/analysis/*.csv"))


SHIPPING = [block for block in SHELL if "keras-resnet export" in block.text]


@pytest.mark.exhaustive
def test_documented_exports_and_services_run(clone):
    """One block after the other, since services listen at the same port."""
    run(shortened("keras-resnet train --data_dir=PHOTOS --workdir=RUN"), clone)
    for block in SHIPPING:
        for line in block.lines:
            if "keras-resnet serve" in line:
                serve_and_stop(line, clone)
            elif "--workdir=RUN" not in line:
                run(line, clone)


def serve_and_stop(line, folder):
    """Starts a service, and stops it once it listens."""
    with start(f"exec {line}", folder) as process:
        assert process.stdout.readline().startswith("Serving net at http://127.0.0.1:8000/")
        process.terminate()
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")


# Examples that do not run in a test: they read weights from the network, train for days, or need the reader's data.
NOT_HERE = (r'weights="(?!cifar10")', r'train\("resnet50"', r"fit\(batches\)", r"cifar10\.load_data\(\)")
RUNNABLE = [
    block
    for block in PYTHON
    if block.page != "docs/coming-from.md"  # test_coming_from.py runs it, with the peers that are installed
    and not any(re.search(pattern, block.text) for pattern in NOT_HERE)
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.name)
def test_python_examples_run(block, clone, monkeypatch, tiny_cifar):
    monkeypatch.chdir(clone)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny_cifar))
    if "RUN" in block.text and "workdir=" not in block.text:
        (clone / "RUN").mkdir()
        keras_resnet.create_model("resnet18", classes=2).save(clone / "RUN" / "best.keras")
    exec(compile(block.text, block.name, "exec"), {})
