"""One POST of a channel: to the address that was judged, verified, bounded in time and in what is read, nothing followed.

The transport is used without httpx's client around it: that would log the URL, follow the environment's proxies and read any answer
to its end. Errors name no URL that is a secret and quote nothing of an answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from monitor.adapters.channels.addresses import Resolve, addresses_of, resolve
from monitor.adapters.channels.tls import tls_context
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.channels import Alertmanager, PagerDuty, Slack, Webhook, url_fault
from monitor.notifying.references import Secrets, is_reference
from monitor.version import watchkeeper_version

MOST_OF_ANSWER: Final = 65_536
"""Bytes read of an answer; then the connection is closed."""
WHOLE_CALL: Final = 3.0
"""A call with all its phases takes at most so many times `timeout_s`."""
MISCONFIGURED: Final = frozenset({401, 403, 404, 405, 407, 410})
LATER: Final = frozenset({408, 425, 429})

HttpChannel = Alertmanager | Slack | Webhook | PagerDuty


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body`: at most its first MOST_OF_ANSWER bytes."""

    status: int
    retry_after_s: float | None
    body: bytes


class HttpPost:
    """Posts for one channel."""

    def __init__(self, channel: HttpChannel, secrets: Secrets, *, resolver: Resolve = resolve) -> None:
        self._channel = channel
        self._secrets = secrets
        self._resolver = resolver
        self._tls: ssl.SSLContext | None = None

    def url(self, path: str = "") -> str:
        """The channel's URL, with a path after it. Raises Misconfigured."""
        return self._checked(self._channel.url, "url") + path

    async def ready(self, url: str) -> None:
        """See whether a post would have an address to go to. Raises Misconfigured or Retryable."""
        await self._addresses(url)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """One POST. Raises Retryable where it may work later, Misconfigured where a person has to change something."""
        timeout_s = self._channel.timeout_s
        if self._tls is None:
            self._tls = await asyncio.to_thread(tls_context, self._channel.ca_file)
        addresses = await self._addresses(url)
        try:
            async with asyncio.timeout(timeout_s * WHOLE_CALL):
                return await self._first_answer(url, addresses, body, headers)
        except TimeoutError as exc:
            raise Retryable(f"{self.said} took more than {timeout_s * WHOLE_CALL:g} s") from exc

    @property
    def said(self) -> str:
        """The channel's address as errors name it."""
        url = self._channel.url
        return f"the URL in {url}" if is_reference(url) else (urlsplit(url).hostname or "the URL")

    async def _addresses(self, url: str) -> list[str | None]:
        """Where to connect; None: wherever the proxy, or the address in the URL, is."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self._channel.proxy is not None:
            return [None]  # the proxy resolves the name: it was set for that
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await addresses_of(
            host,
            port,
            self.said,
            allow_private=self._channel.allow_private,
            timeout_s=self._channel.timeout_s,
            resolver=self._resolver,
        )
        return list(found)

    async def _first_answer(
        self, url: str, addresses: list[str | None], body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        for number, address in enumerate(addresses):
            try:
                return await self._exchange(url, address, body, headers)
            except httpx.ConnectTimeout as exc:
                if number == len(addresses) - 1:
                    raise Retryable(
                        f"no connection to {self.said} within {self._channel.timeout_s:g} s"
                    ) from exc
            except httpx.ConnectError as exc:
                if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                    raise Misconfigured(
                        f"the certificate of {self.said} can't be verified",
                        "correct the host name, or name the authority with ca_file",
                    ) from None
                if number == len(addresses) - 1:
                    raise Retryable(f"no connection to {self.said}: refused, or no TLS there") from None
            except httpx.TimeoutException as exc:
                raise Retryable(f"{self.said} didn't answer within {self._channel.timeout_s:g} s") from exc
            except httpx.ProxyError:
                raise Retryable(f"the proxy on the way to {self.said} refuses") from None
            except (httpx.TransportError, httpx.InvalidURL) as exc:
                raise Retryable(f"the exchange with {self.said} broke off ({type(exc).__name__})") from None
        raise Retryable(f"{self.said} has no address")

    async def _exchange(
        self, url: str, address: str | None, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        target = httpx.URL(url)
        extensions: dict[str, object] = {
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._channel.timeout_s)
        }
        host = target.netloc.decode("ascii")
        if address is not None:
            extensions["sni_hostname"] = target.raw_host.decode("ascii")
            target = target.copy_with(host=address)
        request = httpx.Request(
            "POST",
            target,
            content=body,
            headers={
                **headers,
                "Host": host,
                "User-Agent": f"watchkeeper/{watchkeeper_version()}",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            extensions=extensions,
        )
        proxy = self._channel.proxy
        transport = httpx.AsyncHTTPTransport(
            verify=self._tls or True,
            trust_env=False,
            proxy=None if proxy is None else self._checked(proxy, "proxy"),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        )
        async with transport:
            response = await transport.handle_async_request(request)
            try:
                read = bytearray()
                async for chunk in response.aiter_raw():
                    read += chunk[: MOST_OF_ANSWER - len(read)]
                    if len(read) >= MOST_OF_ANSWER:
                        break
            finally:
                await response.aclose()
        return Answer(response.status_code, retry_after_s(response.headers.get("retry-after")), bytes(read))

    def _checked(self, url: str, name: str) -> str:
        if not is_reference(url):
            return url
        found = self._secrets.look_up(url)
        wrong = url_fault(found, allow_private=self._channel.allow_private or name == "proxy")
        if wrong is not None:
            raise Misconfigured(f"the URL in {url} {wrong}", "correct it where it is kept")
        return found


def require_taken(answer: Answer, said: str, detail: str = "") -> None:
    """Return if the receiver took it. Raises Retryable, Misconfigured or Rejected. `detail`: of ours, about the answer."""
    status = answer.status
    what = f"{said} answered {status}{f' ({detail})' if detail else ''}"
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Misconfigured(f"{what}, a redirection, which no channel follows", "write the final URL")
    if status in MISCONFIGURED:
        raise Misconfigured(what, "correct the URL, the key or its rights")
    if status in LATER or status >= 500:
        raise Retryable(what, answer.retry_after_s)
    raise Rejected("refused_by_channel", what)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, in either form; None where it has none that can be read."""
    if value is None or len(value) > 100:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
