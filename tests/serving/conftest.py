"""Services in this process, and in one of their own."""

import pathlib

import numpy as np
import pytest
from starlette.testclient import TestClient

from keras_resnet.runtimes import open_artifact
from keras_resnet.serving import Limits, Service, application
from keras_resnet.view import View
from tests.serving.nets import GatedArtifact, write_net


@pytest.fixture(scope="session")
def net_file(tmp_path_factory) -> pathlib.Path:
    """The artifact "colors": images of any size, without a view."""
    return write_net(tmp_path_factory.mktemp("nets") / "colors.onnx")


@pytest.fixture(scope="session")
def viewing_net_file(tmp_path_factory) -> pathlib.Path:
    """The artifact "center": 8 x 8 pixels, the center crop."""
    return write_net(tmp_path_factory.mktemp("nets") / "center.onnx", (8, 8), View((8, 8)))


@pytest.fixture
def artifacts(net_file, viewing_net_file):
    return {"colors": open_artifact(net_file), "center": open_artifact(viewing_net_file)}


@pytest.fixture
def gated(net_file) -> GatedArtifact:
    """The artifact "colors", which computes nothing before its gate opens."""
    artifact = GatedArtifact(open_artifact(net_file))
    yield artifact
    artifact.gate.set()  # else its thread never ends


@pytest.fixture
def start():
    """A function that starts a service in this process, and returns its client."""
    clients = []

    def start(artifacts, limits=None, token=None) -> TestClient:
        client = TestClient(application(Service(artifacts, limits or Limits(), token)))
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(start, artifacts) -> TestClient:
    return start(artifacts)


@pytest.fixture
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (12, 10, 3)).astype("uint8") for _ in range(3)]
