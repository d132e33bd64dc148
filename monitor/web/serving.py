"""Serves the dashboard: by itself, or beside the embedded stack in its process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import uvicorn

from monitor.errors import Misconfigured
from monitor.settings import Settings, variable
from monitor.web.app import build_app
from monitor.web.patience import Patience

TRIED: Final = 21
"""Ports, the one that is set among them."""
MOST_OTHERS: Final = 512
"""Connections beside the streams; who comes after that is told so with a 503."""
STOP_WITHIN_S: Final = 2
"""Open streams never end by themselves."""


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One that is served. `token` empty: for reading alone."""

    url: str
    token: str

    @property
    def login_url(self) -> str:
        """Where a browser logs in by itself; the token is in the fragment, which is sent to nobody. "" without a token."""
        return f"{self.url}/login#token={self.token}" if self.token else ""


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Dashboard]:
    """The dashboard of these parts, answering until the end of the block. Raises Misconfigured where it can't listen."""
    listening = listen(settings)
    web = settings.web.model_copy(update={"port": listening.getsockname()[1]})
    settings = settings.model_copy(update={"web": web})
    proxies = [name for name in map(str.strip, web.trusted_proxies.split(",")) if name]
    server = _Server(
        uvicorn.Config(
            build_app(settings),
            http=Patience,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            timeout_keep_alive=30,
            limit_concurrency=web.max_streams + MOST_OTHERS,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listening]), name="dashboard")
    try:
        while not server.started:
            if task.done():
                task.result()
                raise Misconfigured("the dashboard ended while it started", "see its log")
            await asyncio.sleep(0.01)
        shown = web.host if web.host not in ("0.0.0.0", "::") else "127.0.0.1"  # everybody's address
        host = f"[{shown}]" if ":" in shown else shown
        yield Dashboard(f"http://{host}:{web.port}", web.token.get_secret_value())
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task
        listening.close()


def listen(settings: Settings) -> socket.socket:
    """A socket on the port that is set, or where it is taken on the next free one. Raises Misconfigured."""
    web = settings.web
    last: OSError | None = None
    for port in range(web.port, min(web.port + TRIED, 65_536)) if web.port else (0,):
        try:
            family, kind, _, _, address = socket.getaddrinfo(web.host, port, type=socket.SOCK_STREAM)[0]
        except OSError as exc:
            raise Misconfigured(
                f"{variable('web', 'host')} is {web.host}, which is no address", "give one of this machine"
            ) from exc
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
        except OSError as exc:
            made.close()
            last = exc
            continue
        made.setblocking(False)
        return made
    raise Misconfigured(
        f"the dashboard can't listen on {web.host}:{web.port}, nor on the twenty ports above",
        f"set {variable('web', 'port')} or {variable('web', 'host')}",
    ) from last
