"""The queue: what is computed together, in which order, and what is not."""

import asyncio
import threading

import numpy as np
import pytest
from starlette.exceptions import HTTPException

from keras_resnet.runtimes import open_artifact
from keras_resnet.serving import Limits
from keras_resnet.serving.batching import BatchingQueue
from tests.serving.nets import colored

PATIENT = Limits(max_batch=4, max_delay_ms=60_000, timeout_s=120)  # only full batches, or all that are admitted


async def computed(queue: BatchingQueue, images: list[np.ndarray]) -> list[np.ndarray]:
    """The rows of images that arrive at the same time."""
    with queue.admitted(len(images)) as admission:
        return await asyncio.gather(*map(admission.compute, images))


def test_batches_give_the_digits_of_single_images(net_file):
    artifact, sizes = open_artifact(net_file), []
    images = [colored((90, 100, 110), seed=seed) for seed in range(10)]

    async def run():
        async with BatchingQueue(artifact, PATIENT, sizes.append) as queue:
            return await computed(queue, images)

    rows = asyncio.run(run())
    assert sizes == [4, 4, 2]
    for row, image in zip(rows, images, strict=True):
        np.testing.assert_array_equal(row, artifact(image[None])[0])


def test_images_of_several_shapes_and_types_are_computed_apart(net_file):
    artifact, sizes = open_artifact(net_file), []
    images = [colored((90, 100, 110), 6 + index % 2, 5) for index in range(6)]
    images.append(images[0].astype("float32"))

    async def run():
        async with BatchingQueue(artifact, PATIENT, sizes.append) as queue:
            return await computed(queue, images)

    rows = asyncio.run(run())
    assert sizes == [3, 3, 1]
    np.testing.assert_array_equal(rows, [artifact(image[None])[0] for image in images])


def test_large_images_are_computed_one_at_a_time():
    sizes = []

    async def run():
        async with BatchingQueue(lambda images: images.mean((1, 2, 3)), PATIENT, sizes.append) as queue:
            return await computed(queue, [np.full((600, 600, 3), value, "uint8") for value in (1, 2, 3)])

    assert asyncio.run(run()) == [1, 2, 3]
    assert sizes == [1, 1, 1]


def test_a_batch_does_not_wait_if_no_other_image_is_under_way():
    async def run():
        async with BatchingQueue(lambda images: images.mean((1, 2, 3)), PATIENT) as queue:
            async with asyncio.timeout(30):
                return [await computed(queue, [np.full((2, 2, 3), 7.0)]) for _ in range(3)]

    assert asyncio.run(run()) == [[7.0]] * 3


def test_a_batch_stops_waiting_when_an_admitted_image_turns_out_to_be_bad():
    async def run():
        async with BatchingQueue(lambda images: images.mean((1, 2, 3)), PATIENT) as queue, asyncio.timeout(30):
            with queue.admitted(1):  # is being decoded
                good = asyncio.create_task(computed(queue, [np.full((2, 2, 3), 7.0)]))
                await asyncio.sleep(0)
                assert not good.done()
            return await good

    assert asyncio.run(run()) == [7.0]


def test_a_batch_waits_no_longer_than_the_delay():
    async def run():
        async with BatchingQueue(lambda images: images.mean((1, 2, 3)), Limits(max_delay_ms=1)) as queue:
            with queue.admitted(1):  # is being decoded, and never arrives
                async with asyncio.timeout(30):
                    return await computed(queue, [np.full((2, 2, 3), 7.0)])

    assert asyncio.run(run()) == [7.0]


def test_canceled_images_are_not_computed(gated):
    async def run():
        async with BatchingQueue(gated, Limits(max_batch=1)) as queue:
            first = asyncio.create_task(computed(queue, [colored((1, 2, 3))]))
            await asyncio.to_thread(gated.entered.wait)
            others = [asyncio.create_task(computed(queue, [colored((1, 2, 3))])) for _ in range(5)]
            await asyncio.sleep(0)
            for other in others[:4]:
                other.cancel()
            await asyncio.gather(*others[:4], return_exceptions=True)
            gated.gate.set()
            await first
            await others[4]
            return queue.admitted_images, queue.coming, len(queue.waiting)

    assert asyncio.run(run()) == (0, 0, 0)
    assert gated.batches == [1, 1]


def test_a_failing_batch_fails_its_images_only(caplog):
    def function(images):
        if images.min() < 0:
            raise RuntimeError("a broken kernel")
        return images.mean((1, 2, 3))

    async def run():
        async with BatchingQueue(function, Limits(max_batch=1)) as queue:
            pair = [np.full((2, 2, 3), value) for value in (-1.0, 5.0)]
            with queue.admitted(2) as admission:
                return await asyncio.gather(*map(admission.compute, pair), return_exceptions=True)

    failed, row = asyncio.run(run())
    assert isinstance(failed, HTTPException)
    assert failed.status_code == 500
    assert row == 5.0
    assert "a broken kernel" in caplog.text


def test_a_failing_batch_fails_also_if_one_of_its_images_is_canceled():
    entered, gate = threading.Event(), threading.Event()

    def function(images):
        entered.set()
        gate.wait()
        raise RuntimeError("a broken kernel")

    async def run():
        async with BatchingQueue(function, PATIENT) as queue, asyncio.timeout(30):
            tasks = [asyncio.create_task(computed(queue, [np.zeros((2, 2, 3))])) for _ in range(2)]
            await asyncio.to_thread(entered.wait)
            tasks[0].cancel()
            gate.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    canceled, failed = asyncio.run(run())
    assert isinstance(canceled, asyncio.CancelledError)
    assert failed.detail == "The model failed; see the log of the service."


def test_a_full_queue_refuses_images():
    queue = BatchingQueue(lambda images: images, Limits(max_queue=3))
    with queue.admitted(2):
        with pytest.raises(HTTPException) as refused, queue.admitted(2):
            pass
        assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "1"})
    with queue.admitted(3):
        assert queue.admitted_images == 3
    with pytest.raises(HTTPException, match="A request can have 3 images, not 4") as refused, queue.admitted(4):
        pass
    assert refused.value.status_code == 413
