"""The distributions: what they contain, and that the wheel works without the clone."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest

import keras_resnet
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.exhaustive

FOR_CLONES = (".ci/", ".dockerignore", ".github/", ".gitignore")  # not in the source distribution
GENERATED = ("PKG-INFO", "resnet_keras.egg-info/", "setup.cfg")
ALSO_IN_A_CLONE = (
    "build/lib/keras_resnet/removed.py",
    "data/photo.jpg",
    "keras_resnet/__pycache__/old.pyc",
    "runs/demo/log.csv",
    "tests/__pycache__/old.pyc",
)


def run(*command, folder):
    """The output of a command that does not find the clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The names of the files in git."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git clone, which tells the files of the project from others")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(filter(None, listed.stdout.split("\0")))


@pytest.fixture(scope="module")
def distributions(tracked, tmp_path_factory) -> pathlib.Path:
    """The folder of the source distribution and the wheel, built as `make dist` does, in a clone with other files."""
    clone, folder = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    for name in (*tracked, *ALSO_IN_A_CLONE):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if name in tracked:
            shutil.copy(REPOSITORY / name, clone / name)
        else:
            (clone / name).touch()
    run(sys.executable, "-m", "build", "--no-isolation", f"--outdir={folder}", folder=clone)
    return folder


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory) -> pathlib.Path:
    """The programs of an environment with the wheel; the other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    [wheel] = distributions.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    [site_packages] = folder.glob("lib/*/site-packages")
    (site_packages / "requirements.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    return folder / "bin"


def without_folder(names):
    """The names of the files of a source distribution, without the folder around them."""
    return {name.partition("/")[2] for name in names} - {""}


def test_the_source_distribution_has_all_files_of_the_project_and_no_others(distributions, tracked):
    [path] = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = without_folder(member.name for member in archive if member.isfile())
    assert {name for name in names if not name.startswith(GENERATED)} == {
        name for name in tracked if not name.startswith(FOR_CLONES)
    }


def test_the_wheel_has_all_files_of_the_package_and_no_others(distributions, tracked):
    [path] = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(path).namelist())
    described = {name for name in names if ".dist-info/" in name}
    assert names - described == {name for name in tracked if name.startswith("keras_resnet/")}
    assert {"LICENSE", "NOTICE.md"} <= {pathlib.PurePath(name).name for name in described}


def test_twine_accepts_the_distributions(distributions):
    run(sys.executable, "-m", "twine", "check", "--strict", *distributions.iterdir(), folder=distributions)


def test_the_wheel_has_the_command_and_the_weights(installed, tmp_path):
    assert run(installed / "keras-resnet", "--version", folder=tmp_path) == f"keras-resnet {keras_resnet.__version__}\n"
    assert "resnet50" in run(installed / "keras-resnet", "list", "resnet50", folder=tmp_path)
    code = "import keras_resnet; print(keras_resnet.__file__); keras_resnet.ResNet20Cifar(weights='cifar10')"
    printed = run(installed / "python", "-c", code, folder=tmp_path)
    assert printed.startswith(str(installed.parent))


def test_the_wheel_does_the_job_of_the_demo(installed, tmp_path):
    shutil.copy(REPOSITORY / "scripts/demo.py", tmp_path)
    printed = run(installed / "python", "demo.py", folder=tmp_path)
    assert "Five predictions with the SavedModel" in printed
    result = json.loads((tmp_path / "runs/demo/result.json").read_text())
    assert result["top1_accuracy"] > 0.9
