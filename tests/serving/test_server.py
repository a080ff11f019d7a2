"""The command in a process of its own: start, slow clients, load, and stop."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_resnet.serving.server import _listening
from tests.conftest import REPOSITORY
from tests.photos import encode
from tests.serving.nets import colored, probabilities
from tests.serving.running import command, running_service

PHOTO = encode(colored((200, 100, 50)))
HEAD = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PHOTO)}\r\n\r\n".encode()


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers) -> tuple[int, dict]:
    """The status and the JSON of a response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def status(connection: socket.socket) -> int:
    """The status of the response on a connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def service(net_file, viewing_net_file):
    with running_service(net_file, f"middle={viewing_net_file}", "--timeout_s=2", "--max_body_mb=1") as running:
        yield running


def test_it_serves_several_models_without_keras_or_tensorflow(service):
    listed = ask(service.port, "GET", "/v1/models")[1]["models"]
    assert [model["name"] for model in listed] == ["colors", "middle"]
    code, answer = ask(service.port, "POST", "/predict", PHOTO)
    expected = np.sort(probabilities(colored((200, 100, 50))))[::-1]
    assert code == 200
    np.testing.assert_allclose([each["probability"] for each in answer["predictions"]], expected, atol=1e-6)
    assert ask(service.port, "POST", "/predict/middle", PHOTO)[0] == 200


def test_import_of_the_room_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys\n"
        "sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "import keras_resnet.serving\n"
        "print(keras_resnet.serving.Limits().max_batch)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout == "16\n"
    )


@pytest.mark.slow
def test_slow_and_silent_clients_are_cut_off_while_others_are_served(service):
    silent, header, body = (connect(service.port) for _ in range(3))
    header.sendall(HEAD[:20])
    body.sendall(HEAD + PHOTO[:10])
    for _ in range(5):
        assert ask(service.port, "POST", "/predict", PHOTO)[0] == 200
    assert status(body) == 408
    assert silent.recv(1) == b""  # the service has closed the connection
    assert header.recv(1) == b""
    for connection in (silent, header, body):
        connection.close()


def test_bodies_that_are_too_large_get_413_while_they_are_sent(service):
    with connect(service.port) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        for _ in range(20):
            connection.sendall(chunk)
        assert status(connection) == 413
    assert ask(service.port, "POST", "/predict", bytes(1_000_001))[0] == 413


@pytest.mark.parametrize("content", [b"\x16\x03\x01\x02\x00", b"POST /predict HTTP/1.1\r\nContent-Length: x"])
def test_malformed_requests_do_no_harm(service, content):
    with connect(service.port) as connection:
        connection.sendall(content + b"\r\n\r\n")
        assert status(connection) == 400
    assert ask(service.port, "GET", "/healthz")[0] == 200


def test_a_mixed_load_gets_the_right_answers(service):
    """Good, broken and large requests, and readers that do not read, at the same time."""
    wide = json.dumps({"instances": np.zeros((40, 8, 8, 3), int).tolist()}).encode()
    kinds = [
        ("/predict", PHOTO, 200),
        ("/predict/middle", PHOTO[:-30], 400),
        ("/v1/models/colors:predict", wide, 200),
        ("/v1/models/colors:predict", b'{"instances": [[[', 400),
        ("/predict", bytes(1_100_000), 413),
        ("/explain/middle", PHOTO, 200),
    ]
    wrong, end = [], time.monotonic() + 4

    def work(seed):
        random = np.random.default_rng(seed)
        while time.monotonic() < end:
            path, body, expected = kinds[random.integers(len(kinds))]
            code = ask(service.port, "POST", path, body)[0]
            if code != expected:
                wrong.append((path, code))

    def leave():
        while time.monotonic() < end:
            with connect(service.port) as connection:  # sends two requests, and reads no answer
                connection.sendall(2 * (HEAD + PHOTO))
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)] + [threading.Thread(target=leave)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert service.process.poll() is None
    assert ask(service.port, "POST", "/predict", PHOTO)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_under_way_and_refuses_the_rest(net_file, number, children_receive_ctrl_c):
    with running_service(net_file) as service, connect(service.port) as slow, connect(service.port) as next_one:
        slow.sendall(HEAD + PHOTO[:10])
        next_one.sendall(HEAD[:20])  # its headers arrive when the service stops
        wait_for(lambda: _under_way(service.port))
        service.process.send_signal(number)
        wait_for(lambda: ask(service.port, "GET", "/readyz")[0] == 503)
        assert ask(service.port, "POST", "/predict", PHOTO) == (503, {"error": "The service is stopping."})
        next_one.sendall(HEAD[20:] + PHOTO)
        assert status(next_one) == 503
        slow.sendall(PHOTO[10:])
        assert status(slow) == 200
        assert service.process.wait(60) == 0
        assert "Stopped." in service.process.stdout.read()


def test_a_second_signal_stops_at_once(net_file):
    with running_service(net_file, "--timeout_s=600") as service, connect(service.port) as slow:
        slow.sendall(HEAD + PHOTO[:10])
        wait_for(lambda: _under_way(service.port))
        service.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ask(service.port, "GET", "/readyz")[0] == 503)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
        assert "Stopped." in service.process.stdout.read()


def _under_way(port: int) -> bool:
    """Whether a request has arrived; only its headers have, so no metric counts it yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return "keras_resnet_requests_under_way 2" in text  # with this one


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("{net}", "{net}"), "error: Two models have the name colors; name one of them: other_name="),
        (("a b={net}",), "error: The name 'a b' of a model must be letters"),
        (
            ("a b.onnx",),
            "error: The name 'a b' of a model must be letters, digits, '.', '-' or '_'; choose another, on",
        ),
        (("nothing.onnx",), "error: nothing.onnx does not exist."),
        (("{net}", "--max_batch=0"), "error: max_batch=0 must be a positive integer."),
        (("{net}", "--token="), "error: The token is empty; choose one, or leave out --token"),
        (("{net}", "--port=99999"), "error: --port=99999 must be"),
        (("{net}", "--host=256.1.1.1"), "error: The service cannot listen at port 8000 of 256.1.1.1 ("),
        ((), "usage: keras-resnet serve [flags] MODEL..."),
    ],
)
def test_mistakes_get_a_sentence(net_file, arguments, sentence):
    filled = [argument.format(net=net_file) for argument in arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command(*filled), env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith(sentence)


@pytest.mark.parametrize(("in_use", "way_out"), [(True, "another port"), (False, "another host or port")])
def test_an_address_that_cannot_be_used_says_what_to_choose(in_use, way_out):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ("127.0.0.1", taken.getsockname()[1]) if in_use else ("192.0.2.1", 0)  # of no machine
        with pytest.raises(OSError, match=rf"; choose {way_out}\.$"):
            _listening(*address)


def test_a_port_in_use_and_a_token_from_the_environment(net_file, monkeypatch):
    monkeypatch.setenv("KERAS_RESNET_TOKEN", "secret")
    with running_service(net_file) as service:
        assert ask(service.port, "POST", "/predict", PHOTO)[0] == 401
        assert ask(service.port, "POST", "/predict", PHOTO, Authorization="Bearer secret")[0] == 200
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        second = subprocess.run(
            command(net_file, f"--port={service.port}"), env=environment, capture_output=True, text=True, timeout=60
        )
        assert second.returncode == 1
        assert "choose another port" in second.stderr
