"""`serve`: runs a service until it is asked to stop."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Mapping
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_resnet.runtimes import Artifact
from keras_resnet.serving.application import application
from keras_resnet.serving.limits import Limits
from keras_resnet.serving.service import Service

KEEP_ALIVE = 5  # seconds that an idle connection stays open
SLACK = 5  # seconds beyond the limits in which a response reaches its client
BACKLOG = 2048  # connections that wait to be accepted

logger = logging.getLogger(__name__)


def serve(
    artifacts: Mapping[str, Artifact],
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Serves models until SIGTERM or Ctrl-C; requests under way are then finished, and others refused.

    A second signal stops at once.

    Args:
        artifacts: the loaded models by their names.
        host: address to listen at; 127.0.0.1 is reached from this machine only.
        port: number of the port; 0 for a free one.
        token: that requests must carry; None for no token.
        limits: on requests.

    Raises:
        ValueError: there are no models, or a name does not fit into a URL.
        OSError: the port is in use.
    """
    service = Service(artifacts, limits, token)
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            application(service),
            http=_connection(service.limits.timeout_s + KEEP_ALIVE + SLACK),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="error",  # every malformed request is a warning
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=SLACK,
        )
        _Server(config, service).run([listener])
    logger.info("Stopped.")


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        OSError: it cannot.
    """
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]  # Python adds the address
        way_out = "another port" if error.errno == errno.EADDRINUSE else "another host or port"
        raise OSError(f"The service cannot listen at port {port} of {host} ({reason}); choose {way_out}.") from None


class _Server(uvicorn.Server):
    """A server that first finishes what is under way, while new requests are answered with 503."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen, and then says so: from here on, signals are handled."""
        await super().startup(sockets)
        for listener in sockets or ():
            address, port, *_ = listener.getsockname()
            shown = f"[{address}]" if ":" in address else address
            logger.info("Serving %s at http://%s:%d/", ", ".join(self.service.models), shown, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Starts to stop at the first signal, and stops at once at the second.

        Unlike uvicorn's, it does not raise the signal again at the end: the exit code is 0.
        """
        if self.service.draining:
            self.should_exit = self.force_exit = True
            return
        logger.info("%s: finishing %d requests.", signal.Signals(sig).name, self.service.under_way)
        self.service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop; the server asks ten times a second."""
        self.should_exit = self.should_exit or (self.service.draining and not self.service.under_way)
        return await super().on_tick(counter)


def _connection(limit: float) -> type[asyncio.Protocol]:
    """A class of connections that end if no response is complete and read within `limit` seconds.

    Clients that send or read slowly, or nothing, would stay forever otherwise.
    """

    class Connection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.watchdog = self.loop.call_later(limit, transport.abort)

        def on_response_complete(self) -> None:
            self.watchdog.cancel()
            self.watchdog = self.loop.call_later(limit, self.transport.abort)
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self.watchdog.cancel()
            super().connection_lost(exc)

    return Connection
