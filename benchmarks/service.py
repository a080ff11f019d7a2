"""How fast the service is beside the bare runtime, and what a minute of mixed load does to it.

    python benchmarks/service.py --photos=PHOTOS [--rounds=5] [--model=resnet50] [--only=REGEX] [--quick]

The model is exported as `export.py` does. The clients run on the same cores as the service. `throughput` sends photos
on 16 connections, in turn with the bare runtime, which gets ready batches. `load` opens 64 connections for a minute:
good requests beside broken, large and slow ones, and readers that do not read. It counts the answers of each kind.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
from export import MODEL, path_of, written
from program import PHOTOS, Benchmark, or_small, resident_memory
from rounds import Numbers, Ratio, paths_of

SERVED = "OpenVINO int8"
CONNECTIONS = 16  # of the throughput
BATCH = 16
ROUND, WARM_UP, LOAD = 10.0, 3.0, 60.0  # seconds
TOO_LARGE = 20_000_000  # bytes, above the service's default


class Service:
    """A process that serves the model."""

    def __init__(self, model):
        command = [sys.executable, "-m", "keras_resnet", "serve", f"net={model}", "--port=0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.search(r"Serving .* at http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                return
        raise SystemExit("The service did not start.")

    def memory(self):
        """Resident memory, MB."""
        return resident_memory("VmRSS", self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Asks it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(60)


class Connection:
    """An HTTP connection that costs the client little."""

    def __init__(self, port):
        self.port, self.writer = port, None

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def ask(self, path, body, read=True):
        """Sends a request; its response's status."""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()
        return await self.status() if read else None

    async def status(self):
        """The status of the next response, which is read to its end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        await self.reader.readexactly(length)
        return int(head.split(b" ", 2)[1])


# ---------------------------------------------------------------------------------------------
# Throughput


async def send_photos(port, photos, seconds):
    """The latencies of photos on several connections, each with one request at a time, seconds."""
    latencies, turn, end = [], itertools.cycle(photos), time.perf_counter() + seconds

    async def work():
        async with Connection(port) as connection:
            while time.perf_counter() < end:
                start = time.perf_counter()
                status = await connection.ask("/predict/net", next(turn))
                assert status == 200, status
                latencies.append(time.perf_counter() - start)

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return latencies


def bare_rate(artifact, images, seconds):
    """Images per second of the bare runtime, from ready batches."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        artifact(images)
        count += len(images)
    return count / (time.perf_counter() - start)


def photos() -> list[bytes]:
    """Up to 500 photos."""
    return [pathlib.Path(path).read_bytes() for path in dict.fromkeys(paths_of(PHOTOS.value, 500))]


def throughput() -> Numbers:
    """The rates of the service and of the bare runtime, one after the other, and the latencies."""
    from keras_resnet.runtimes import open_artifact
    from keras_resnet.runtimes.decoding import decode_image
    from keras_resnet.runtimes.views import center_view

    contents, path = photos(), path_of(SERVED)
    artifact = open_artifact(path)
    view = artifact.metadata.default_view
    images = np.stack(
        [center_view(decode_image(photo), view) for photo in itertools.islice(itertools.cycle(contents), BATCH)]
    )
    seconds, warm_up = or_small((ROUND, WARM_UP), (0.5, 0.2))
    with Service(path) as service:
        bare_rate(artifact, images, warm_up)
        asyncio.run(send_photos(service.port, contents, warm_up))
        bare = bare_rate(artifact, images, seconds)
        start = time.perf_counter()
        latencies = asyncio.run(send_photos(service.port, contents, seconds))
        rate = len(latencies) / (time.perf_counter() - start)
    mean, p99 = np.mean(latencies), np.percentile(latencies, 99)
    return {
        "images/s of the bare runtime": bare,
        "images/s of the service": rate,
        "service / bare": rate / bare,
        "mean ms": 1000 * mean,
        "p99 ms": 1000 * p99,
        "p99 / mean": p99 / mean,
    }


# ---------------------------------------------------------------------------------------------
# Load


def kinds():
    """{kind: (number of connections, what one does once with its connection and the photo)}."""

    async def photo(connection, content):
        return await connection.ask("/predict/net", content)

    async def rows(connection, content):
        instances = [{"b64": base64.b64encode(content).decode()}] * 2
        return await connection.ask("/v1/models/net:predict", json.dumps({"instances": instances}).encode())

    async def broken(connection, content):
        return await connection.ask("/predict/net", content[: len(content) // 3])

    async def malformed(connection, content):
        return await connection.ask("/v2/models/net/infer", b'{"inputs": [[[[')

    async def large(connection, content):
        return await connection.ask("/predict/net", bytes(TOO_LARGE))

    async def slow(connection, content):
        head = f"POST /predict/net HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        step = -(-len(content) // 20)
        for start in range(0, len(content), step):
            connection.writer.write((head if start == 0 else b"") + content[start : start + step])
            await connection.writer.drain()
            await asyncio.sleep(0.25)
        return await connection.status()

    async def unread(connection, content):
        for _ in range(4):
            await connection.ask("/predict/net", content, read=False)
        await asyncio.sleep(5)

    return {
        "photo": (40, photo),
        "two base64 photos": (8, rows),
        "broken photo": (4, broken),
        "malformed JSON": (2, malformed),
        "20 MB": (2, large),
        "slow sender": (4, slow),
        "does not read": (4, unread),
    }


async def send_mixture(port, photos, seconds):
    """{kind: [(status, seconds)]} of what all connections did."""
    answers, turn, end = {}, itertools.cycle(photos), time.perf_counter() + seconds

    async def work(kind, act):
        while time.perf_counter() < end:
            start = time.perf_counter()
            try:
                async with Connection(port) as connection:
                    while time.perf_counter() < end:
                        start = time.perf_counter()
                        status = await act(connection, next(turn))
                        answers.setdefault(kind, []).append((status, time.perf_counter() - start))
                        if kind in ("does not read", "20 MB"):
                            break
            except (OSError, asyncio.IncompleteReadError) as error:
                answers.setdefault(kind, []).append((type(error).__name__, time.perf_counter() - start))

    await asyncio.gather(*(work(kind, act) for kind, (number, act) in kinds().items() for _ in range(number)))
    return answers


def load() -> Numbers:
    """The answers to each kind of request, its latencies, the memory over time, and how the service ends."""
    parts, answers, contents = 4, {}, photos()
    with Service(path_of(SERVED)) as service:
        asyncio.run(send_mixture(service.port, contents, or_small(WARM_UP, 0.2)))
        memory = [service.memory()]
        for _ in range(parts):
            part = asyncio.run(send_mixture(service.port, contents, or_small(LOAD, 2.0) / parts))
            for kind, found in part.items():
                answers.setdefault(kind, []).extend(found)
            memory.append(service.memory())
        running, code = service.process.poll() is None, service.stop()
    numbers = {}
    for kind, found in answers.items():
        statuses = [str(status) for status, _ in found]
        numbers |= {f"{kind}: {status}": statuses.count(status) for status in sorted(set(statuses))}
        numbers[f"{kind}: p99 ms"] = 1000 * np.percentile([seconds for _, seconds in found], 99)
    return {
        **numbers,
        "MB before": memory[0],
        "MB after": memory[-1],
        "runs after the load": running,
        "exit code": code,
    }


BENCHMARK = Benchmark(
    __file__,
    f"The HTTP service with ResNet-50 as {SERVED}: images per second on {CONNECTIONS} connections from the same cores, "
    f"beside those of the bare runtime in batches of {BATCH}; and a minute of 64 connections with good, broken, "
    "large, and slow requests.",
    {"throughput": throughput},
    once={**written([SERVED]), "load": load},
    ratios=[
        Ratio("throughput", None, "service / bare", asked=0.8, why="exported-models-exportpy-predictionpy-servicepy"),
        Ratio(
            "throughput",
            None,
            "p99 / mean",
            asked=3,
            at_most=True,
            why="exported-models-exportpy-predictionpy-servicepy",
        ),
    ],
    needs=["photos"],
    own_flags=[MODEL],
)

if __name__ == "__main__":
    BENCHMARK.start()
