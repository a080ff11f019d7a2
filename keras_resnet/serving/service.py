"""`Service`: the models that one process serves, and what their requests share."""

import contextlib
import hmac
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_resnet.errors import shown, unknown_name
from keras_resnet.runtimes import Artifact
from keras_resnet.runtimes.cores import CORES
from keras_resnet.serving.batching import RETRY_AFTER
from keras_resnet.serving.limits import BODIES_IN_MEMORY, Limits
from keras_resnet.serving.metrics import Metrics
from keras_resnet.serving.served_model import ServedModel

VERSION = "1"  # of every model: the protocols number them
NAME = re.compile(r"[\w.-]+", re.ASCII)  # of a model: a part of a URL


class Service:
    """The models that one process serves, and what their requests share; an asynchronous context in which it serves.

    Args:
        artifacts: the loaded models by their names.
        limits: on requests.
        token: that requests must carry; None for no token.

    Attributes:
        models: the served models by their names.
        draining: whether it stops: it finishes the requests under way, and refuses others.
        under_way: number of requests under way.
        body_bytes: size of their bodies.

    Raises:
        ValueError: there are no models, a name does not fit into a URL, or the token is empty.
    """

    def __init__(
        self, artifacts: Mapping[str, Artifact], limits: Limits | None = None, token: str | None = None
    ) -> None:
        if not artifacts:
            raise ValueError("There are no models to serve.")
        if token == "":
            raise ValueError("The token is empty; give None for a service without a token.")
        check_names(artifacts)
        self.limits = limits or Limits()
        self.token = token
        self.metrics = Metrics(
            under_way=lambda: {(): self.under_way},
            waiting=lambda: {(name,): len(model.queue.waiting) for name, model in self.models.items()},
        )
        self.decoders = ThreadPoolExecutor(max_workers=CORES, thread_name_prefix="decoder")
        self.models = {
            name: ServedModel(name, artifact, self.limits, self.decoders, self.metrics)
            for name, artifact in artifacts.items()
        }
        self.draining = False
        self.under_way = 0
        self.body_bytes = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A context in which the models compute."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.decoders.shutdown)
            for model in self.models.values():
                await stack.enter_async_context(model.queue)
            yield

    def find(self, name: str | None = None, version: str = VERSION) -> ServedModel:
        """The model of this name; without a name, the first one.

        Raises:
            HTTPException: 404 if there is none, or not this version.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise HTTPException(404, str(unknown_name("model", name, self.models)))
        if version != VERSION:
            raise HTTPException(404, f"Model {name} has the version {VERSION}, not {shown(version)}.")
        return self.models[name]

    def authorize(self, header: str | None) -> None:
        """Checks the header `Authorization` of a request, in a time that does not depend on its content.

        Raises:
            HTTPException: 401 if it does not carry the token.
        """
        sent = (header or "").encode("latin-1")  # the bytes that were sent
        if self.token and not hmac.compare_digest(sent, f"Bearer {self.token}".encode()):
            raise HTTPException(
                401, "This service needs a token: send 'Authorization: Bearer TOKEN'.", {"WWW-Authenticate": "Bearer"}
            )

    def admit(self) -> None:
        """Checks that there is room for one more request.

        Raises:
            HTTPException: 503 while it stops; 429 if too many requests are under way.
        """
        if self.draining:
            raise HTTPException(503, "The service is stopping.", {**RETRY_AFTER, "Connection": "close"})
        if self.under_way >= self.limits.max_queue:
            raise HTTPException(429, "Too many requests are under way; try again later.", RETRY_AFTER)

    def hold(self, size: int) -> None:
        """Counts bytes of a body that is kept in memory; negative ones are no longer.

        Raises:
            HTTPException: 429 if the bodies take too much memory.
        """
        self.body_bytes += size
        if size > 0 and self.body_bytes > BODIES_IN_MEMORY * self.limits.max_body:
            raise HTTPException(429, "Too many large requests are under way; try again later.", RETRY_AFTER)


def check_names(names: Iterable[str]) -> None:
    """Checks the names of models.

    Raises:
        ValueError: one does not fit into a URL.

    Example:
        >>> from keras_resnet.serving.service import check_names
        >>> check_names(["resnet50-v1.5"])
    """
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"The name {shown(name)} of a model must be letters, digits, '.', '-' or '_'; choose another, on the "
                "command line as NAME=PATH."
            )


def requested_model(request: Request) -> ServedModel:
    """The model that the path of a request names.

    Raises:
        HTTPException: 404 if there is none.
    """
    return request.app.state.service.find(**request.path_params)
