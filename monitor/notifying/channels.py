"""The channels that alerts go to, as the file of channels describes them. Frozen; they hold references to secrets, no secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.notifying.quiet_hours import QuietHours
from monitor.notifying.references import Reference, is_reference
from schemas.alerts import Alert, Severity

ChannelType = Literal["alertmanager", "slack", "webhook", "pagerduty", "email"]
GroupKey = Literal["fleet", "tenant", "kind"]
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
)
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """What is wrong with a channel's URL, without quoting it; None: nothing."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with https:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or a password: name them by a reference of their own"
    if not re.fullmatch(r"[\x21-\x7e]+", url) or port == 0:
        return "has a character or a port that no URL has"
    if parts.scheme == "http" and not allow_private:
        return "is http, which anybody on the way can read: use https, or allow_private = true on a network of your own"
    return None


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("is no plain e-mail address, name@example.com")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("is no host name")
    return value


Address = Annotated[str, AfterValidator(_address)]


class Takes(BaseModel):
    """Which alerts: those that fit everything that is named here. Nothing named: all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severities: tuple[Severity, ...] = ()
    tenants: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    place: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)

    def fits(self, alert: Alert) -> bool:
        """Whether it takes this alert as it stands."""
        return (
            (not self.severities or alert.severity in self.severities)
            and (not self.tenants or alert.place.get("tenant") in self.tenants)
            and (not self.kinds or alert.kind in self.kinds)
            and all(
                alert.place.get(key) in ((wanted,) if isinstance(wanted, str) else wanted)
                for key, wanted in self.place.items()
            )
        )


class Common(BaseModel):
    """What every channel has. `takes`: it takes what any of them takes; none: all alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    can_group: ClassVar[bool] = False
    can_report: ClassVar[bool] = False
    quiet_ends: ClassVar[bool] = False
    """Whether quiet hours hold back the end of what it knows of, too: people are woken by it, programs aren't."""

    name: str
    takes: tuple[Takes, ...] = ()
    quiet: tuple[QuietHours, ...] = ()
    remind_every_s: float | None = Field(None, ge=60)
    group_by: tuple[GroupKey, ...] = ()
    group_wait_s: float = Field(30.0, ge=0, le=3600)
    allow_private: bool = False
    timeout_s: float = Field(10.0, gt=0, le=120)
    ca_file: Path | None = None
    alerts: bool = True
    reports: bool = False
    """Whether it is told of alerts, and whether it is sent the weekly report."""

    @model_validator(mode="after")
    def _reports_where_it_can(self) -> Self:
        if self.reports and not self.can_report:
            raise ValueError(
                "reports: this type takes alerts alone; slack, webhook and email take the weekly report"
            )
        if not self.alerts and not self.reports:
            raise ValueError("alerts: a channel without alerts and without reports is none")
        return self

    @model_validator(mode="after")
    def _groups_where_it_can(self) -> Self:
        if self.group_by and not self.can_group:
            raise ValueError("group_by: this type tells each alert on its own; slack and email can group")
        return self

    def wants(self, alert: Alert) -> bool:
        """Whether it is told of an alert that stands so."""
        return self.alerts and (not self.takes or any(one.fits(alert) for one in self.takes))


class _Http(Common):
    proxy: str | None = None

    @model_validator(mode="after")
    def _has_urls(self) -> Self:
        for name in ("url", "proxy"):
            url = getattr(self, name, None)
            if url is None or is_reference(url):
                continue
            fault = url_fault(url, allow_private=self.allow_private or name == "proxy")
            if fault is not None:
                raise ValueError(f"{name}: {fault}")
        return self


class Alertmanager(_Http):
    """Prometheus Alertmanager, API v2. `url` is its address without /api/v2/alerts; several are several channels."""

    type: Literal["alertmanager"]
    url: str
    bearer_token: Reference | None = None
    username: str | None = None
    password: Reference | None = None
    resend_every_s: float = Field(60.0, ge=5, le=3600)
    generator_url: str | None = None

    @model_validator(mode="after")
    def _does_its_own_hours(self) -> Self:
        if self.quiet or self.remind_every_s is not None:
            raise ValueError("quiet, remind_every_s: Alertmanager has intervals and reminders of its own")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.bearer_token is not None and self.username is not None:
            raise ValueError("bearer_token or username and password, not both")
        if self.generator_url is not None:
            fault = url_fault(self.generator_url, allow_private=True)
            if fault is not None:
                raise ValueError(f"generator_url: {fault}")
        return self


class Slack(_Http):
    """A Slack incoming webhook: its URL is the secret."""

    can_group: ClassVar[bool] = True
    can_report: ClassVar[bool] = True
    quiet_ends: ClassVar[bool] = True

    type: Literal["slack"]
    url: Reference


class Webhook(_Http):
    """Any receiver of signed JSON."""

    can_report: ClassVar[bool] = True

    type: Literal["webhook"]
    url: str
    secret: Reference
    bearer_token: Reference | None = None


class PagerDuty(_Http):
    """PagerDuty Events v2, with the routing key of one integration."""

    type: Literal["pagerduty"]
    routing_key: Reference
    url: str = "https://events.pagerduty.com/v2/enqueue"


class Email(Common):
    """Mail by SMTP. `security`: STARTTLS or TLS, never without one unless the network is one's own."""

    can_group: ClassVar[bool] = True
    can_report: ClassVar[bool] = True
    quiet_ends: ClassVar[bool] = True

    type: Literal["email"]
    host: Annotated[str, AfterValidator(_host)]
    port: int | None = Field(None, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Reference | None = None
    sender: Address
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.security == "none" and not self.allow_private:
            raise ValueError("security: none is for a network of your own: it needs allow_private = true")
        if self.security == "none" and self.username is not None:
            raise ValueError("security: none would send the password in the open")
        return self


Channel = Alertmanager | Slack | Webhook | PagerDuty | Email
TYPES: Final[dict[str, type[Channel]]] = {
    "alertmanager": Alertmanager,
    "slack": Slack,
    "webhook": Webhook,
    "pagerduty": PagerDuty,
    "email": Email,
}
