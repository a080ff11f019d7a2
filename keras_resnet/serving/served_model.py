"""`ServedModel`: an artifact with its queue."""

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from keras_resnet.runtimes import Artifact, Metadata
from keras_resnet.runtimes.scores import most_probable
from keras_resnet.serving.batching import Admission, BatchingQueue
from keras_resnet.serving.images import EncodedImage, NumberImage, subject
from keras_resnet.serving.limits import Limits
from keras_resnet.serving.metrics import Metrics

TOP = 5  # most probable classes in an answer, or all if there are fewer


class ServedModel:
    """An artifact with its queue.

    Args:
        name: by which requests call it.
        artifact: the loaded model.
        limits: of the service.
        decoders: threads in which images are decoded.
        metrics: of the service.
    """

    def __init__(
        self, name: str, artifact: Artifact, limits: Limits, decoders: ThreadPoolExecutor, metrics: Metrics
    ) -> None:
        self.name = name
        self.artifact = artifact
        self.limits = limits
        self.decoders = decoders
        self.metrics = metrics
        self.queue = BatchingQueue(artifact, limits, self._count)

    @property
    def metadata(self) -> Metadata:
        """What the model says about itself."""
        return self.artifact.metadata

    def _count(self, images: int) -> None:
        self.metrics.images.add(self.name, count=images)
        self.metrics.batches.add(self.name, measured=images)

    async def probabilities(self, images: Sequence[EncodedImage | NumberImage]) -> np.ndarray:
        """The probabilities (images, classes) of the images of a request.

        Raises:
            HTTPException: 400 with a sentence for the first bad image; 413 or 429 for too many images; 500 if the model
                fails.
        """
        with self.queue.admitted(len(images)) as admission:
            made = (self.decoded(image.array, subject(index, len(images))) for index, image in enumerate(images))
            arrays = [_unless_error(array) for array in await asyncio.gather(*made, return_exceptions=True)]
            return await all_rows(admission, arrays)

    async def decoded(self, make: Callable[[Metadata], Any], named: str) -> Any:
        """What `make` returns for the model's metadata; it runs in a thread.

        Raises:
            HTTPException: 400 with the name of the image and the text of a ValueError.
        """
        try:
            return await in_thread(self.decoders, make, self.metadata)
        except ValueError as error:
            raise HTTPException(400, f"{named} {error}.") from None

    def best(self, row: np.ndarray, top: int = TOP) -> list[tuple[str, float]]:
        """The `top` most probable classes with their probabilities, the most probable first."""
        return most_probable(row, self.metadata.class_names, top)

    def top_names(self, probabilities: np.ndarray) -> list[list[str]]:
        """The names of the most probable classes of each image."""
        return [[name for name, _ in self.best(row)] for row in probabilities]


def _unless_error(array: np.ndarray | BaseException) -> np.ndarray:
    if isinstance(array, BaseException):
        raise array
    return array


async def all_rows(admission: Admission, images: Iterable[np.ndarray]) -> np.ndarray:
    """The rows of admitted images, in their order."""
    return np.stack(await asyncio.gather(*map(admission.compute, images)))


async def in_thread(threads: ThreadPoolExecutor, function: Callable, *arguments: Any) -> Any:
    """The result of a function that runs in one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(threads, functools.partial(function, *arguments))
