"""What docs/docker.md says, as far as it can be checked without Docker; CI builds the images.

No container runs here. The commands are parsed: the files of `docker build` must exist, and an image's entry point must
take the words after its name.
"""

import json
import re
import shlex
import subprocess
import sys

import pytest

from tests.commands.running import keras_resnet_command
from tests.conftest import REPOSITORY
from tests.serving.nets import write_net
from tests.serving.running import running_service

PAGE = (REPOSITORY / "docs/docker.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^\$ (docker .*)$", PAGE.replace("\\\n", " "), re.MULTILINE)]
BUILDS = [words for words in COMMANDS if words[1] == "build"]
RUNS = [words for words in COMMANDS if words[1] == "run"]


def dockerfile(image: str) -> str:
    """The Dockerfile that the page builds an image from."""
    [words] = [words for words in BUILDS if f"--tag={image}" in words]
    [name] = [word.removeprefix("--file=") for word in words if word.startswith("--file=")]
    return (REPOSITORY / name).read_text(encoding="utf-8")


def instruction(image: str, name: str) -> str:
    """The last instruction of a Dockerfile with this name."""
    return re.findall(rf"^{name} (.*)$", dockerfile(image), re.MULTILINE)[-1]


def test_the_page_builds_each_dockerfile():
    built = {word.removeprefix("--file=") for words in BUILDS for word in words if word.startswith("--file=")}
    assert built == {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docker").glob("*.Dockerfile")}


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_documented_containers_run_valid_commands(words, monkeypatch):
    [image] = {"resnet-train", "resnet-serve"} & set(words)
    program, *arguments = [*json.loads(instruction(image, "ENTRYPOINT")), *words[words.index(image) + 1 :]]
    assert program == "keras-resnet"
    command, *rest = arguments
    result = keras_resnet_command(monkeypatch, command, "--help", *rest)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: keras-resnet {command}")


@pytest.mark.parametrize("image", ["resnet-train", "resnet-serve"])
def test_images_run_without_privileges(image):
    assert int(instruction(image, "USER")) > 0


def test_the_context_has_all_that_an_image_copies():
    kept = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in kept)
    read_by_setup = set(re.findall(r'HERE / "([^"/]+)', (REPOSITORY / "setup.py").read_text()))
    assert {*read_by_setup, "LICENSE", "NOTICE.md", "setup.py"} <= kept


def test_the_health_check_fails_unless_the_service_is_ready(tmp_path):
    program = [sys.executable, str(REPOSITORY / "docker/healthcheck.py")]
    with running_service(write_net(tmp_path / "colors.onnx")) as service:
        assert subprocess.run([*program, str(service.port)]).returncode == 0
    stopped = subprocess.run([*program, str(service.port)], capture_output=True, text=True)
    assert stopped.returncode == 1
    assert re.fullmatch(r"The service is not ready: .*Connection refused.*\n", stopped.stderr)


def test_the_health_check_asks_the_port_that_the_image_serves():
    port = instruction("resnet-serve", "EXPOSE")
    assert f"--port={port}" in instruction("resnet-serve", "ENTRYPOINT")
    assert f'"{port}"' in (REPOSITORY / "docker/healthcheck.py").read_text(encoding="utf-8")
    [copied] = re.findall(r"^COPY docker/healthcheck.py (\S+)$", dockerfile("resnet-serve"), re.MULTILINE)
    assert copied in instruction("resnet-serve", "HEALTHCHECK")
