"""The dashboard (docs/dashboard.md)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from pydantic import Field, SecretStr, field_validator

from monitor.setting_group import Group

LEAST_TOKEN_CHARS: Final = 16


class WebSettings(Group):
    """The dashboard."""

    enabled: bool = Field(True, description="Whether `watchkeeper up` and `watchkeeper demo` serve it.")
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address it is served on; 0.0.0.0 in a container."
    )
    port: int = Field(
        8480,
        ge=0,
        le=65_535,
        description="Port it is served on, or where it is taken the next free one of the twenty above; 0: any.",
    )
    token: SecretStr = Field(
        SecretStr(""),
        description="Whoever knows it may act: acknowledge, resolve, mute, approve, roll back. 16 characters or more, drawn by a "
        "machine. Empty: nobody may, everything can be read. `watchkeeper up` makes one a start.",
    )
    allowed_hosts: str = Field(
        "",
        description="Further names that it is reached by, separated by commas: the proxy's, say. Loopback names are always "
        "taken; a request for another name is refused, which keeps foreign pages out.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies in front, separated by commas: from these alone X-Forwarded-For and "
        "X-Forwarded-Proto are believed, so that wrong tokens count for who sent them.",
    )
    refresh_s: float = Field(2.0, ge=0.2, le=60, description="How often the store is asked for news.")
    query_within_s: float = Field(
        5.0, gt=0, le=60, description="Longest wait for one answer of the store; then the page says so."
    )
    session_s: float = Field(
        43_200.0, gt=0, le=2_592_000, description="Whoever has logged in may act for so long."
    )
    max_streams: int = Field(
        256, ge=1, le=10_000, description="Open pages that are kept up to date at the same time."
    )

    @field_validator("token")
    @classmethod
    def _is_hopeless_to_guess(cls, token: SecretStr) -> SecretStr:
        """Its length is what keeps guessers out who have many addresses."""
        if 0 < len(token.get_secret_value()) < LEAST_TOKEN_CHARS:
            raise ValueError(
                f"give {LEAST_TOKEN_CHARS} characters or more that nobody can guess, from `openssl rand -hex 24` say"
            )
        return token

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        """Whoever is believed has to be named: no `*`, no host names."""
        for one in filter(None, map(str.strip, text.split(","))):
            try:
                ip_network(one)
            except ValueError as exc:
                raise ValueError(
                    "give addresses and networks, as in 10.1.2.3, 10.0.0.0/8: what else stands there names no proxy"
                ) from exc
        return text
