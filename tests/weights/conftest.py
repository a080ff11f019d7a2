"""Keras's folder in a temporary one, and hubs on this machine."""

import hashlib

import pytest

from tests.weights.servers import CONTENT, Hub, Repositories, serve


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for variable in ("KERAS_RESNET_MIRROR", "HF_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "models" / "keras_resnet"


@pytest.fixture
def client(home, tmp_path, monkeypatch):
    """The hub's client, which has read its environment already, asks and writes nowhere else."""
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield
    if hasattr(huggingface_hub, "close_session"):
        huggingface_hub.close_session()


@pytest.fixture
def hub(client, monkeypatch):
    """A hub on this machine, which has the same content under any name."""
    with serve(Hub) as server:
        server.etag = hashlib.sha256(CONTENT).hexdigest()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def repositories(client, monkeypatch):
    """A hub on this machine, without repositories at first."""
    with serve(Repositories) as server:
        server.repositories, server.sha256, server.git = {}, None, None
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
