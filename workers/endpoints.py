"""/metrics, /livez and /readyz. docs/watching.md says what they mean.

From threads of their own: an event loop that hangs can't say so itself.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import structlog

from monitor.errors import Misconfigured
from monitor.metrics import CONTENT_TYPE, Metrics
from monitor.settings import variable
from workers.page_server import Page, PageServer
from workers.vitals import Check, Vitals

log = structlog.get_logger("watchkeeper.endpoints")

PORTS_TRIED: Final = 20
"""So many above the one asked for: several workers on one machine need no settings."""
PAGES: Final = ("/metrics", "/livez", "/readyz")


class Endpoints:
    """Serves from `open` to `close`; `url` says where. `facts` stand in every answer: who it is that answers."""

    def __init__(self, vitals: Vitals, metrics: Metrics, facts: Mapping[str, str | int]) -> None:
        self._vitals = vitals
        self._metrics = metrics
        self._facts = facts
        self._server: PageServer | None = None
        self.url = ""

    def open(self, host: str, port: int) -> None:
        """Serve there, or on the first free one of the PORTS_TRIED ports above, or else on any.

        Raises Misconfigured where the host is no address of this machine or the user may not take the port.
        """
        self._server = self._listen(host, port)
        self._server.start()
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._server.port}"
        if port not in (0, self._server.port):
            log.warning("port already in use, serving on another", wanted=port, url=self.url)
        else:
            log.info("serving", url=self.url, pages=PAGES)

    def _listen(self, host: str, port: int) -> PageServer:
        above = range(port, min(port + PORTS_TRIED, 65_535) + 1) if port else ()
        for candidate in (*above, 0):
            try:
                return PageServer(host, candidate, self.page)
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    continue
                raise Misconfigured(
                    f"the worker can't serve its metrics on {host}, port {candidate}: {exc.strerror}",
                    f"set {variable('worker', 'http_host')} to an address of this machine and "
                    f"{variable('worker', 'http_port')} to a port that this user may take",
                ) from exc
        raise Misconfigured(f"no port is free on {host}", "end what listens on them")

    def close(self) -> None:
        """Serve no more. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def page(self, path: str) -> Page:
        """The page of a path. From any thread."""
        match path:
            case "/metrics":
                return Page(HTTPStatus.OK, CONTENT_TYPE, self._metrics.exposition())
            case "/livez":
                return self._told("live", self._vitals.live())
            case "/readyz":
                return self._told("ready", self._vitals.ready())
            case _:
                return Page.of(HTTPStatus.NOT_FOUND, {"status": "not found", "pages": PAGES})

    def _told(self, what: str, checks: Sequence[Check]) -> Page:
        is_so = all(check.state == "ok" for check in checks)
        return Page.of(
            HTTPStatus.OK if is_so else HTTPStatus.SERVICE_UNAVAILABLE,
            {
                "status": what if is_so else f"not {what}",
                **self._facts,
                "checks": [
                    {"name": check.name, "state": check.state, "facts": dict(check.facts)} for check in checks
                ],
            },
        )
