"""The dashboard (docs/dashboard.md)."""

from __future__ import annotations

from pydantic import Field, SecretStr

from monitor.setting_group import Group


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
        description="Whoever knows it may act: acknowledge, resolve, mute, approve, roll back. Empty: nobody may, everything can "
        "be read. `watchkeeper up` makes one a start.",
    )
    allowed_hosts: str = Field(
        "",
        description="Further names that it is reached by, separated by commas: the proxy's, say. Loopback names are always "
        "taken; a request for another name is refused, which keeps foreign pages out.",
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
