"""`meet`: the workers find each other, and agree on what to do, before TensorFlow connects them.

Worker 0 listens at its address. The others connect to it and say what they are about to do. It answers whom it waits
for, and in the end whether all may start. Messages are short lines of JSON; anything else is ignored.
"""

import asyncio
import contextlib
import json
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from keras_resnet.choices import WORKER_TIMEOUT
from keras_resnet.distributed.workers import Cluster

REPORT_EVERY = 30.0  # seconds between two log messages about who is missing
RETRY_EVERY = 0.5  # seconds between two attempts to connect to worker 0
PATIENCE = 5.0  # seconds to wait for a greeting, for worker 0 when it is to be told of a failure, or for its verdict
MESSAGE_BYTES = 1 << 16  # the longest message
LISTED = 5  # differences to list in an error message

# The kinds of worker 0's answers: WAITING with the names of the missing workers, and the two ways in which it ends.
WAITING, GO = "waiting", "go"
ERRORS: dict[str, type[Exception]] = {"differ": ValueError, "failed": ConnectionError, "late": TimeoutError}

Answer = tuple[str, str]  # (kind, text)
_met: set[Cluster] = set()  # whose meeting was a success: TensorFlow has used this worker's port since
logger = logging.getLogger(__name__)


def meet(cluster: Cluster, description: Mapping[str, str] | None = None, timeout: float = WORKER_TIMEOUT) -> None:
    """Waits for all workers of a cluster, and checks that they agree. Logs every 30 s who is missing.

    A process meets the others once; later calls return at once.

    Args:
        cluster: the workers. This process is one of them.
        description: names and values that must be the same on all workers, such as flags. The addresses of the workers
            and the versions of Keras and TensorFlow are added.
        timeout: seconds to wait.

    Raises:
        ValueError: the workers disagree, or `timeout` is not positive and finite.
        OSError: this worker's port is in use, or another worker did not start in time or has failed.

    Example:
        >>> from keras_resnet.distributed.rendezvous import meet
        >>> from keras_resnet.distributed.workers import Cluster
        >>> meet(Cluster(("localhost:2222",), index=0))  # returns at once: there are no other workers
    """
    if not 0 < timeout < math.inf:
        raise ValueError(f"The time to wait for other workers must be positive and finite, not {timeout:g} seconds.")
    if len(cluster.addresses) < 2 or cluster in _met:
        return
    added = {
        "list of workers": ", ".join(cluster.addresses),
        "Keras version": keras.__version__,
        "TensorFlow version": tf.__version__,
    }
    role = _Guest if cluster.index else _Host
    with _own_port(cluster) as port:
        kind, text = asyncio.run(role(cluster, {**added, **(description or {})}).meet(port, timeout))
    if kind in ERRORS:
        raise ERRORS[kind](text)
    _met.add(cluster)


def _own_port(cluster: Cluster) -> socket.socket:
    """A socket that listens at this worker's port, as TensorFlow will: at all addresses of this machine."""
    _, port = cluster.host_and_port(cluster.index)
    dual = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(("", port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual)
    except OSError as error:
        failure = (
            f"Port {port} of {cluster.name(cluster.index)} cannot be used ({os.strerror(error.errno or 0)}). Stop the "
            "process that uses it, or choose another port in the TF_CONFIG of all workers."
        )
        if cluster.index:
            _tell_host(cluster, {"index": cluster.index, "failure": failure})
        raise type(error)(failure) from None


def _tell_host(cluster: Cluster, message: dict) -> None:
    """Sends a message to worker 0, if it is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with socket.create_connection(cluster.host_and_port(0), timeout=PATIENCE) as connection:
                connection.sendall(_line(message))
            return
        except OSError:
            time.sleep(RETRY_EVERY)


class _Participant:
    """A worker in a meeting: what is common to worker 0 and the others."""

    def __init__(self, cluster: Cluster, description: Mapping[str, str]) -> None:
        self.cluster, self.description = cluster, description

    def missing(self) -> str:
        """The names of the workers that are not there yet."""
        raise NotImplementedError

    async def within(self, timeout: float, outcome: Callable) -> Answer:
        """The `outcome()`, or the answer that it came too late. Logs who is missing."""
        reports = asyncio.create_task(self._report())
        try:
            async with asyncio.timeout(timeout):
                return await outcome()
        except TimeoutError:
            return "late", (
                f"Waited {timeout / 60:.3g} minutes (worker_timeout) for {self.missing()}. Start all workers within "
                "that time, and check their addresses in TF_CONFIG."
            )
        finally:
            reports.cancel()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            logger.info("Waiting for %s.", self.missing())


class _Guest(_Participant):
    """Any worker but worker 0."""

    _missing = ""

    def missing(self) -> str:
        return self._missing

    async def meet(self, port: socket.socket, timeout: float) -> Answer:
        """Asks worker 0 until it answers that the meeting is over. The port is only kept from others."""
        del port
        # Longer than worker 0, which counts a worker that leaves as missing.
        return await self.within(timeout + PATIENCE, self._outcome)

    async def _outcome(self) -> Answer:
        while True:
            self._missing = self.cluster.name(0)
            # Worker 0 is not there yet, has been restarted, or its address is that of another program.
            with contextlib.suppress(OSError, ValueError):
                return await self._ask()
            await asyncio.sleep(RETRY_EVERY)

    async def _ask(self) -> Answer:
        reader, writer = await asyncio.open_connection(*self.cluster.host_and_port(0), limit=MESSAGE_BYTES)
        with contextlib.closing(writer):
            writer.write(_line({"index": self.cluster.index, "description": self.description}))
            while True:
                message = await _message(reader)
                kind, text = message.get("kind"), str(message.get("text"))
                if kind == GO or kind in ERRORS:
                    return kind, text
                if kind != WAITING:
                    raise ValueError("not worker 0")
                self._missing = text


class _Host(_Participant):
    """Worker 0."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.guests: dict[int, tuple[asyncio.StreamWriter, Mapping[str, str]]] = {}  # with their descriptions
        self.failure: str | None = None
        self.changed = asyncio.Event()

    def missing(self) -> str:
        return " and ".join(
            self.cluster.name(index) for index in range(1, len(self.cluster.addresses)) if index not in self.guests
        )

    async def meet(self, port: socket.socket, timeout: float) -> Answer:
        """Waits for the others, and tells them the outcome."""
        server = await asyncio.start_server(self._welcome, sock=port, limit=MESSAGE_BYTES)
        try:
            answer = await self.within(timeout, self._outcome)
            self._tell_guests(answer)
            for writer, _ in list(self.guests.values()):
                with contextlib.suppress(OSError):
                    await writer.drain()
            return answer
        finally:
            server.close()

    async def _outcome(self) -> Answer:
        while self.missing() and not self.failure:
            self._tell_guests((WAITING, self.missing()))
            await self.changed.wait()
            self.changed.clear()
        if self.failure:
            return "failed", self.failure
        differences = list(self._differences())
        return ("differ", _disagreement(differences)) if differences else (GO, "")

    def _tell_guests(self, answer: Answer) -> None:
        for writer, _ in self.guests.values():
            writer.write(_answer(answer))

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection until the other side leaves, or the end of the meeting cancels it."""
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            message = await asyncio.wait_for(_message(reader), PATIENCE)
            index, description = message.get("index"), message.get("description")
            if type(index) is not int or index < 1:
                return
            if isinstance(message.get("failure"), str):
                self.failure = message["failure"]
                self.changed.set()
            elif isinstance(description, dict):
                await self._attend(index, description, reader, writer)

    async def _attend(self, index, description, reader, writer) -> None:
        if index in self.guests or index >= len(self.cluster.addresses):
            reason = "is already there" if index in self.guests else "is not in the TF_CONFIG of worker 0"
            writer.write(_answer(("differ", f"Worker {index} {reason}; give each worker another index in TF_CONFIG.")))
            return
        self.guests[index] = writer, description
        self.changed.set()
        try:
            while await reader.read(MESSAGE_BYTES):
                pass
        finally:
            del self.guests[index]
            self.changed.set()

    def _differences(self) -> Iterator[str]:
        """For each worker and name, how its value differs from that of worker 0."""
        ours, host = self.description, self.cluster.name(0)
        for index, (_, theirs) in sorted(self.guests.items()):
            for name in sorted({*ours, *theirs}):
                if ours.get(name) != theirs.get(name):
                    yield (
                        f"{name} is {theirs.get(name, 'missing')} on {self.cluster.name(index)}, and "
                        f"{ours.get(name, 'missing')} on {host}"
                    )


def _disagreement(differences: list[str]) -> str:
    more = f"; and {len(differences) - LISTED} more differences" if len(differences) > LISTED else ""
    return f"The workers disagree: {'; '.join(differences[:LISTED])}{more}. Start all of them with the same command."


def _answer(answer: Answer) -> bytes:
    return _line(dict(zip(("kind", "text"), answer, strict=True)))


def _line(message: Mapping) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def _message(reader: asyncio.StreamReader) -> dict:
    """The next message. Raises a ValueError if it is not one."""
    try:
        message = json.loads(await reader.readuntil(b"\n"))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, RecursionError):
        raise ValueError("not a message") from None
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message
