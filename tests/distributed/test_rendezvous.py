"""Workers that meet: in threads over real sockets, and as processes of a training script."""

import concurrent.futures
import contextlib
import json
import logging
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from keras_resnet.distributed import rendezvous
from keras_resnet.distributed.rendezvous import MESSAGE_BYTES, meet
from keras_resnet.distributed.workers import Cluster, configured_cluster

ROOT = pathlib.Path(__file__).parents[2]


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
        return tuple(f"localhost:{each.getsockname()[1]}" for each in sockets)


@pytest.fixture
def workers():
    """A function that lets workers meet in threads; it returns futures of None or the error of each."""
    with concurrent.futures.ThreadPoolExecutor() as pool:

        def start(addresses, descriptions, timeout=60.0):
            """`descriptions`: by index, of the workers that take part."""
            return {
                index: pool.submit(meet, Cluster(addresses, index), description, timeout)
                for index, description in descriptions.items()
            }

        yield start


def errors(futures):
    return {index: future.exception(timeout=60) for index, future in futures.items()}


def connect(address):
    """A connection to a worker, once it listens."""
    host, port = address.split(":")
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection((host, int(port)))
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_workers_that_agree_meet_in_any_order(workers):
    addresses = free_addresses(3)
    late = workers(addresses, {2: {"--model": "a"}, 1: {"--model": "a"}})
    with pytest.raises(concurrent.futures.TimeoutError):
        late[1].result(timeout=0.5)
    first = workers(addresses, {0: {"--model": "a"}})
    assert errors({**late, **first}) == {0: None, 1: None, 2: None}


def test_workers_that_differ_all_learn_where(workers):
    addresses = free_addresses(3)
    raised = errors(
        workers(
            addresses, {0: {"--model": "a", "--seed": "1"}, 1: {"--model": "a", "--seed": "1"}, 2: {"--model": "b"}}
        )
    )
    for error in raised.values():
        assert type(error) is ValueError
        assert str(error) == (
            f"The workers disagree: --model is b on worker 2 ({addresses[2]}), and a on worker 0 ({addresses[0]}); "
            f"--seed is missing on worker 2 ({addresses[2]}), and 1 on worker 0 ({addresses[0]}). "
            "Start all of them with the same command."
        )


def test_workers_with_another_list_of_workers_differ(workers):
    first, second, third = free_addresses(3)
    futures = {0: workers((first, second), {0: {}})[0], 1: workers((first, third), {1: {}})[1]}
    for error in errors(futures).values():
        assert f"list of workers is {first}, {third} on worker 1" in str(error)


def test_missing_workers_are_logged_and_end_the_meeting(workers, caplog, monkeypatch):
    monkeypatch.setattr(rendezvous, "REPORT_EVERY", 0.3)
    monkeypatch.setattr(logging.getLogger("keras_resnet"), "propagate", True)
    caplog.set_level(logging.INFO, "keras_resnet")
    addresses = free_addresses(4)
    raised = errors(workers(addresses, {0: {}, 2: {}}, timeout=3.0))
    missing = f"worker 1 ({addresses[1]}) and worker 3 ({addresses[3]})"
    for error in raised.values():
        assert type(error) is TimeoutError
        assert str(error).startswith(f"Waited 0.05 minutes (worker_timeout) for {missing}. ")
    assert caplog.messages.count(f"Waiting for {missing}.") >= 2


def test_worker_without_worker_0_ends(workers):
    addresses = free_addresses(2)
    (error,) = errors(workers(addresses, {1: {}}, timeout=1.0)).values()
    assert type(error) is TimeoutError
    assert f"for worker 0 ({addresses[0]})" in str(error)


def test_taken_port_ends_that_worker_and_worker_0(workers):
    addresses = free_addresses(2)
    port = int(addresses[1].split(":")[1])
    with socket.create_server(("", port)):
        raised = errors(workers(addresses, {0: {}, 1: {}}))
    for error in raised.values():
        assert isinstance(error, OSError)
        assert str(error).startswith(
            f"Port {port} of worker 1 ({addresses[1]}) cannot be used (Address already in use)"
        )


def test_worker_0_whose_port_is_taken_ends(workers):
    addresses = free_addresses(2)
    port = int(addresses[0].split(":")[1])
    with socket.create_server(("", port)):
        (error,) = errors(workers(addresses, {0: {}})).values()
    assert str(error).startswith(f"Port {port} of worker 0 ({addresses[0]}) cannot be used (Address already in use)")


def test_worker_whose_port_is_taken_ends_without_worker_0(workers, monkeypatch):
    monkeypatch.setattr(rendezvous, "PATIENCE", 0.2)
    addresses = free_addresses(2)
    with socket.create_server(("", int(addresses[1].split(":")[1]))):
        (error,) = errors(workers(addresses, {1: {}})).values()
    assert f"of worker 1 ({addresses[1]}) cannot be used" in str(error)


def test_restarted_worker_takes_part(workers):
    addresses = free_addresses(3)
    host = workers(addresses, {0: {}})
    with connect(addresses[0]) as killed:
        killed.sendall(b'{"index": 1, "description": {}}\n')
        assert json.loads(killed.makefile().readline())["kind"] == "waiting"
        killed.sendall(b"more than worker 0 wants to know\n")
    assert errors({**host, **workers(addresses, {1: {}, 2: {}})}) == {0: None, 1: None, 2: None}


STRANGERS = {
    "web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long line": b"x" * (2 * MESSAGE_BYTES) + b"\n",
    "deep JSON": b"[" * (MESSAGE_BYTES - 1) + b"\n",
    "list": b"[1, 2]\n",
    "no text": b"\xff\xfe\n",
    "negative index": b'{"index": -1, "description": {}}\n',
    "index of worker 0": b'{"index": 0, "failure": "x"}\n',
    "true": b'{"index": true, "description": {}}\n',
    "description of another type": b'{"index": 1, "description": []}\n',
    "failure of another type": b'{"index": 1, "failure": []}\n',
    "silence": b"",
}


def test_strangers_at_the_port_of_worker_0_are_ignored(workers):
    addresses = free_addresses(2)
    host = workers(addresses, {0: {}})
    with contextlib.ExitStack() as stack:
        for content in STRANGERS.values():
            with contextlib.suppress(ConnectionError):
                stack.enter_context(connect(addresses[0])).sendall(content)
        assert errors({**host, **workers(addresses, {1: {}})}) == {0: None, 1: None}


@pytest.mark.parametrize(
    "content",
    [b"HTTP/1.1 400\r\n\r\n", b"x" * (2 * MESSAGE_BYTES), b'{"kind": "run"}\n', b"[]\n"],
)
def test_strangers_at_the_address_of_worker_0_are_not_obeyed(content, workers, monkeypatch):
    monkeypatch.setattr(rendezvous, "PATIENCE", 0.2)
    addresses = free_addresses(2)
    with socket.create_server(("localhost", int(addresses[0].split(":")[1]))) as stranger:

        def serve():
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    connection, _ = stranger.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        (error,) = errors(workers(addresses, {1: {}}, timeout=1.5)).values()
        stranger.shutdown(socket.SHUT_RDWR)
    assert type(error) is TimeoutError


@pytest.mark.parametrize("index", [1, 2])
def test_second_worker_of_an_index_and_one_beyond_the_list_are_refused(index, workers):
    addresses = free_addresses(3)
    host = workers(addresses[: 4 - index], {0: {}})
    with connect(addresses[0]) as first, connect(addresses[0]) as second:
        for connection in (first, second):
            connection.sendall(f'{{"index": {index}, "description": {{}}}}\n'.encode())
            answer = json.loads(connection.makefile().readline())
        assert answer["kind"] == "differ"
        assert "another index" in answer["text"]
    errors({**host, **workers(addresses[: 4 - index], {i: {} for i in range(1, 4 - index)})})


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("inf"), float("nan")])
def test_time_to_wait_must_be_positive_and_finite(timeout):
    with pytest.raises(ValueError, match="must be positive and finite"):
        meet(Cluster(("localhost:1", "localhost:2"), 0), timeout=timeout)


@pytest.mark.parametrize(
    ("config", "index"),
    [
        ({"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}, 1),
        ({"cluster": {"chief": ["a:1"], "worker": ["b:2"]}, "task": {"type": "worker", "index": 0}}, 1),
        ({"cluster": {"chief": ["a:1"], "worker": ["b:2"]}, "task": {"type": "chief", "index": 0}}, 0),
    ],
)
def test_workers_of_tf_config(config, index, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert configured_cluster() == Cluster(("a:1", "b:2"), index)


@pytest.mark.parametrize(
    "config",
    [
        {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
        {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}},
        {"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}},
        {"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}},
    ],
)
def test_tf_config_without_this_worker_or_a_port(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match="TF_CONFIG"):
        configured_cluster()


def start_script(addresses, index, *arguments):
    """A process of a training script. It finds no data: workers meet before they look for any."""
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "train_cifar10.py", "--workdir=unused", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def errors_of(*processes):
    """The last lines that processes print, once they have failed; none has a traceback."""
    lines = []
    for process in processes:
        _, output = process.communicate(timeout=300)
        assert process.returncode == 1, output
        assert "Traceback" not in output
        lines.append(output.splitlines()[-1])
    return lines


@pytest.mark.exhaustive
def test_scripts_with_other_flags_on_one_worker_name_them():
    addresses = free_addresses(2)
    flags = ("--model=resnet20_cifar", "--data_dir=one"), ("--model=resnet32_cifar", "--data_dir=other")
    for line in errors_of(*(start_script(addresses, index, *flags[index]) for index in range(2))):
        assert line == (
            f"error: The workers disagree: --model is resnet32_cifar on worker 1 ({addresses[1]}), and resnet20_cifar "
            f"on worker 0 ({addresses[0]}). Start all of them with the same command."
        )


@pytest.mark.slow
def test_script_whose_other_worker_is_missing_ends():
    addresses = free_addresses(2)
    (line,) = errors_of(start_script(addresses, 0, "--worker_timeout=0.02"))
    assert line.startswith(f"error: Waited 0.02 minutes (worker_timeout) for worker 1 ({addresses[1]}).")


@pytest.mark.exhaustive
def test_scripts_end_if_the_port_of_one_is_taken():
    addresses = free_addresses(2)
    port = int(addresses[1].split(":")[1])
    with socket.create_server(("", port)):
        lines = errors_of(*(start_script(addresses, index) for index in range(2)))
    for line in lines:
        assert line.startswith(f"error: Port {port} of worker 1 ({addresses[1]}) cannot be used")


@pytest.mark.exhaustive
def test_programs_that_train_different_models_say_so(tmp_path):
    launch, program = ROOT / "scripts" / "launch_local.py", pathlib.Path(__file__).with_name("disagreeing_run.py")
    command = [sys.executable, launch, "--workers=2", program, tmp_path / "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment).stdout
    for index in (0, 1):
        (line,) = [line for line in output.splitlines() if line.startswith(f"{index}: error: ")]
        assert f"Worker {index} (localhost:" in line
        assert "and the others disagree: give all workers the same flags" in line
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
