"""The gRPC server, in the same event loop as the HTTP server."""

from collections.abc import Sequence

import grpc
from grpc import aio

from inference.protocol.grpc.calls import Log
from inference.protocol.grpc.definitions import SERVICE
from inference.protocol.grpc.servicer import handlers
from inference.protocol.types import Services

GRACE = 10.0  # seconds that calls under way get when it is told to stop
_METADATA_MAX = 16 * 1024  # bytes, of which a token may take most


class GrpcServer:
    """Answers `inference.GRPCInferenceService`. Port 0 is any free one; `port` is the real one."""

    def __init__(
        self,
        services: Services,
        host: str,
        port: int,
        *,
        log: Log,
        interceptors: Sequence[aio.ServerInterceptor] = (),
    ) -> None:
        self._log = log
        self._interceptors = interceptors
        self.port = port
        self._host = host
        self._services = services
        self._server: aio.Server | None = None

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Listen; OSError where the address is taken or not this machine's."""
        options = _options(self._services.limits.body)
        server = aio.server(interceptors=self._interceptors, options=options)
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers(self._services, self._log))
        server.add_generic_rpc_handlers((generic,))
        self.port = self._bound(server)
        await server.start()
        self._server = server

    async def stop(self, grace: float = GRACE) -> None:
        """Take no more calls, give those under way `grace` seconds, then cancel them."""
        server, self._server = self._server, None
        if server:
            await server.stop(grace)

    def _bound(self, server: aio.Server) -> int:
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            port: int = server.add_insecure_port(f"{host}:{self.port}")
        except RuntimeError as error:
            raise OSError(
                f"gRPC cannot listen on {host}:{self.port}, which AIHUB_GRPC_PORT names: "
                "the port is taken, or the address is not this machine's."
            ) from error
        return port


def _options(message_max: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", message_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.absolute_max_metadata_size", _METADATA_MAX),
        ("grpc.max_metadata_size", _METADATA_MAX),
        ("grpc.so_reuseport", 0),  # else a second hub would share the port unnoticed
    ]
