"""`BatchingQueue`: collects the images of concurrent requests into batches."""

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from starlette.exceptions import HTTPException

from keras_resnet.serving.limits import BATCHED_PIXELS, Limits

RETRY_AFTER = {"Retry-After": "1"}  # seconds

logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    image: np.ndarray
    answer: asyncio.Future[np.ndarray]


class BatchingQueue:
    """The images that wait for a model; a thread computes them in batches, first come, first served.

    Images of one batch have the same shape and type; large ones are computed alone. A batch waits for others only while
    images that are admitted are still being decoded, and at most `limits.max_delay_ms`.

    Args:
        function: what computes a batch of images (batch, height, width, channels): a row for each.
        limits: on the batch, the delay and the queue.
        computed: called with the number of images of each batch that was computed.

    Example:
        >>> import asyncio, numpy as np
        >>> from keras_resnet.serving import Limits
        >>> from keras_resnet.serving.batching import BatchingQueue
        >>> async def brightness(image):
        ...     async with BatchingQueue(lambda images: images.mean((1, 2, 3)), Limits()) as queue:
        ...         with queue.admitted(1) as admission:
        ...             return await admission.compute(image)
        >>> print(asyncio.run(brightness(np.full((8, 8, 3), 5.0))))
        5.0
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        limits: Limits,
        computed: Callable[[int], object] = lambda images: None,
    ) -> None:
        self.function = function
        self.limits = limits
        self.computed = computed
        self.admitted_images = 0  # of requests that have no answer yet
        self.coming = 0  # of these, images that are still being decoded
        self.waiting: collections.deque[_Waiting] = collections.deque()
        self.arrival = asyncio.Event()

    async def __aenter__(self) -> "BatchingQueue":
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self.task = asyncio.create_task(self._compute_batches())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.thread.shutdown()

    @contextlib.contextmanager
    def admitted(self, images: int) -> Iterator["Admission"]:
        """A context in which a request may decode this number of images, and then compute them.

        Raises:
            HTTPException: 413 for more images than the queue holds; 429 if there is no room now.
        """
        if images > self.limits.max_queue:
            raise HTTPException(413, f"A request can have {self.limits.max_queue} images, not {images}.")
        if self.admitted_images + images > self.limits.max_queue:
            raise HTTPException(429, "Too many images are waiting; try again later.", RETRY_AFTER)
        admission = Admission(self, images)
        self.admitted_images += images
        self.coming += images
        try:
            yield admission
        finally:
            self.admitted_images -= images
            self.coming -= admission.coming
            self.arrival.set()  # a batch no longer waits for these

    async def add(self, image: np.ndarray) -> np.ndarray:
        """The row of the function's result for an admitted image; it waits for its turn."""
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append(_Waiting(image, answer))
        self.coming -= 1
        self.arrival.set()
        return await answer

    async def _compute_batches(self) -> None:
        while True:
            await self._until_ready()
            batch = self._take()
            if batch:
                await self._compute(batch)

    async def _until_ready(self) -> None:
        """Waits for an image, and then a little for those that are being decoded."""
        while not self.waiting:
            await self._next_arrival()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.max_delay_ms / 1000):
                while self.coming and len(self.waiting) < self.limits.max_batch:
                    await self._next_arrival()

    async def _next_arrival(self) -> None:
        self.arrival.clear()
        await self.arrival.wait()

    def _take(self) -> list[_Waiting]:
        """Removes the first image whose answer is awaited, and those of its shape and type after it."""
        batch: list[_Waiting] = []
        others: collections.deque[_Waiting] = collections.deque()
        for item in self.waiting:
            if item.answer.done():  # canceled
                continue
            joins = not batch or (len(batch) < self._size(item.image) and _key(item.image) == _key(batch[0].image))
            (batch if joins else others).append(item)
        self.waiting = others
        return batch

    def _size(self, image: np.ndarray) -> int:
        """The maximum number of images like this one in a batch."""
        height, width, _ = image.shape
        return self.limits.max_batch if height * width <= BATCHED_PIXELS else 1

    async def _compute(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self.thread, self._rows, [item.image for item in batch])
            answered = list(zip(batch, rows, strict=True))
        except Exception:  # of any runtime; the service goes on
            logger.exception("A batch of %d images %s failed.", len(batch), batch[0].image.shape)
            for item in batch:
                if not item.answer.done():
                    item.answer.set_exception(HTTPException(500, "The model failed; see the log of the service."))
            return
        self.computed(len(batch))
        for item, row in answered:
            if not item.answer.done():
                item.answer.set_result(row)

    def _rows(self, images: list[np.ndarray]) -> np.ndarray:
        return self.function(np.stack(images))


class Admission:
    """The room for the images of one request in a queue.

    Attributes:
        coming: number of its images that the queue has not yet got.
    """

    def __init__(self, queue: BatchingQueue, images: int) -> None:
        self.queue = queue
        self.coming = images

    async def compute(self, image: np.ndarray) -> np.ndarray:
        """The row of the queue's function for an image (height, width, channels).

        If the caller is canceled while the image waits, it is not computed.

        Raises:
            HTTPException: 500 if the function fails.
        """
        self.coming -= 1
        return await self.queue.add(image)


def _key(image: np.ndarray) -> tuple:
    return image.shape, image.dtype
