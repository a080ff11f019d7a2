"""How fast the service is beside the bare runtime, and what a minute of mixed load does to it.

    python benchmarks/service.py net.xml --photos=FOLDER

The clients run on the same cores as the service. `throughput` sends photos on 16 connections, in turn with the bare
runtime, which gets ready batches. `load` opens 64 connections for a minute: good requests beside broken, large and slow
ones, and readers that do not read.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import numpy as np
import rounds
from absl import app, flags

PHOTOS = flags.DEFINE_string("photos", None, "Folder of photos, which are sent in turn.", required=True)
PARTS = flags.DEFINE_list("parts", ["throughput", "load"], "What to measure.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of the bare runtime and the service.")
SECONDS = flags.DEFINE_float("seconds", 60, "Length of the load, seconds.")
CONNECTIONS = 16  # of the throughput
BATCH = 16
ROUND = 10.0  # seconds
WARM_UP = 3.0  # seconds
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
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

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


def measure_throughput(model, photos):
    """Compares the service with the bare runtime, in turn."""
    from keras_resnet.runtimes import open_artifact
    from keras_resnet.runtimes.decoding import decode_image
    from keras_resnet.runtimes.views import center_view

    artifact = open_artifact(model)
    view = artifact.metadata.default_view
    images = np.stack([center_view(decode_image(photo), view) for photo in photos[:BATCH]])
    rates, ratios, latencies = [], [], []
    with Service(model) as service:
        bare_rate(artifact, images, WARM_UP)
        asyncio.run(send_photos(service.port, photos, WARM_UP))
        for _ in range(ROUNDS.value):
            bare = bare_rate(artifact, images, ROUND)
            start = time.perf_counter()
            found = asyncio.run(send_photos(service.port, photos, ROUND))
            rate = len(found) / (time.perf_counter() - start)
            rates.append((bare, rate))
            ratios.append(rate / bare)
            latencies.append(found)
    bare, rate = (statistics.median(column) for column in zip(*rates, strict=True))
    tails = [np.percentile(found, 99) / np.mean(found) for found in latencies]
    print(f"bare runtime, batch {BATCH}: {bare:.1f} images/s; service, {CONNECTIONS} connections: {rate:.1f} images/s")
    print(f"service / bare: {statistics.median(ratios):.1%} (rounds: {', '.join(f'{ratio:.1%}' for ratio in ratios)})")
    mean, p99 = np.mean(np.concatenate(latencies)), np.percentile(np.concatenate(latencies), 99)
    print(f"latency: mean {mean * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms; p99 / mean {statistics.median(tails):.2f}")


# ---------------------------------------------------------------------------------------------
# Load


def kinds(photos):
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

    await asyncio.gather(*(work(kind, act) for kind, (number, act) in kinds(photos).items() for _ in range(number)))
    return answers


def measure_load(model, photos):
    """Prints what each kind of request got, and the memory over time."""
    parts, answers = 4, {}
    with Service(model) as service:
        asyncio.run(send_mixture(service.port, photos, WARM_UP))
        memory = [service.memory()]
        for _ in range(parts):
            for kind, found in asyncio.run(send_mixture(service.port, photos, SECONDS.value / parts)).items():
                answers.setdefault(kind, []).extend(found)
            memory.append(service.memory())
        running, code = service.process.poll() is None, service.stop()
    print("| kind | answers | p50 ms | p99 ms |\n|---|---|---|---|")
    for kind, found in answers.items():
        statuses = [str(status) for status, _ in found]
        counted = ", ".join(f"{status}: {statuses.count(status)}" for status in sorted(set(statuses)))
        p50, p99 = np.percentile([seconds * 1e3 for _, seconds in found], [50, 99])
        print(f"| {kind} | {counted} | {p50:.0f} | {p99:.0f} |")
    print("memory, MB, after each quarter:", ", ".join(f"{each:.0f}" for each in memory))
    print(f"running after the load: {running}; exit code after SIGTERM: {code}")


def main(argv):
    """Measures the parts, and prints what they ran on."""
    if len(argv) != 2:
        raise SystemExit("usage: service.py MODEL --photos=FOLDER")
    paths = sorted(path for path in pathlib.Path(PHOTOS.value).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    photos = [path.read_bytes() for path in paths[:500]]
    if not photos:
        raise SystemExit(f"{PHOTOS.value} holds no JPEG files.")
    print(f"{rounds.machine()}; commit {rounds.commit()}; {len(photos)} photos")
    measures = {"throughput": measure_throughput, "load": measure_load}
    for part in PARTS.value:
        measures[part](argv[1], photos)


if __name__ == "__main__":
    app.run(main)
