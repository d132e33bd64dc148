"""Sends reports: into a folder, and through the channels of alerts that take them. As with alerts, what goes wrong is Retryable, Misconfigured or
Rejected, and no message quotes a secret or an answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any, Final, Protocol

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.email import SUBJECT, EmailChannel
from monitor.adapters.channels.slack import HEADER, SECTION, TEXT, SlackChannel, clip, escaped
from monitor.adapters.channels.webhook import VERSION, WebhookChannel
from monitor.errors import Misconfigured, Rejected
from monitor.notifying.channels import Channel, Email, Slack, Webhook
from monitor.notifying.references import Secrets
from monitor.reporting.as_json import plain
from monitor.reporting.parcels import Parcel

_NOT_BELOW_ITS_FILES: Final = 0o644


class ReportChannel(Protocol):
    """What takes reports."""

    async def send(self, parcel: Parcel, /) -> None:
        """Deliver it; returns once the other side has it. Raises Retryable, Misconfigured or Rejected."""
        ...


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """Implements ReportChannel: a file a week, whole or not at all; one that comes again takes the place of the first."""

    folder: Path

    async def send(self, parcel: Parcel, /) -> None:
        """See ReportChannel."""
        await asyncio.to_thread(self._write, parcel)

    def _write(self, parcel: Parcel) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=self.folder, prefix=".report-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(parcel.attached)
                Path(draft).chmod(_NOT_BELOW_ITS_FILES)
                Path(draft).replace(self.folder / parcel.attached_name)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(draft).unlink()
                raise
        except OSError as exc:
            raise Misconfigured(
                f"the report can't be written to its folder: {exc.strerror or type(exc).__name__}",
                "let the workers' user write there, or correct WATCHKEEPER_REPORT__FOLDER",
            ) from exc


@dataclass(frozen=True, slots=True)
class SlackReports:
    """Implements ReportChannel: what changed, as text; an incoming webhook takes no files."""

    channel: SlackChannel

    async def send(self, parcel: Parcel, /) -> None:
        """See ReportChannel."""
        await self.channel.post(slack_report(parcel))


@dataclass(frozen=True, slots=True)
class WebhookReports:
    """Implements ReportChannel: the report as JSON, signed as alerts are."""

    channel: WebhookChannel
    name: str

    async def send(self, parcel: Parcel, /) -> None:
        """See ReportChannel."""
        body = {
            "version": VERSION,
            "delivery": parcel.key,
            "channel": self.name,
            "text": parcel.subject,
            "report": plain(parcel.report),
        }
        await self.channel.post(body, parcel.key)


@dataclass(frozen=True, slots=True)
class EmailReports:
    """Implements ReportChannel: what changed as text and HTML, and the whole report attached."""

    channel: EmailChannel
    described: Email

    async def send(self, parcel: Parcel, /) -> None:
        """See ReportChannel."""
        await self.channel.deliver(report_mail(parcel, self.described, datetime.now(UTC)))


def report_channel(channel: Channel, secrets: Secrets, *, resolver: Resolve = resolve) -> ReportChannel:
    """What sends reports to this channel. Raises Misconfigured for a type that takes none."""
    match channel:
        case Slack():
            return SlackReports(SlackChannel(channel, secrets, resolver=resolver))
        case Webhook():
            return WebhookReports(WebhookChannel(channel, secrets, resolver=resolver), channel.name)
        case Email():
            return EmailReports(EmailChannel(channel, secrets, resolver=resolver), channel)
        case _:
            raise Misconfigured(
                f"the channel {channel.name} takes no reports",
                "slack, webhook and email do: remove reports = true",
            )


def slack_report(parcel: Parcel) -> dict[str, Any]:
    """The payload: findings as sentences, notes below, nothing that Slack would take for markup."""
    report = parcel.report
    lines = [
        f"*{number}.* {escaped(finding.text)}" for number, finding in enumerate(report.findings, start=1)
    ]
    parts = [escaped(report.subtitle), *lines, escaped(report.summary)]
    notes = "\n".join(escaped(note.text) for note in report.notes)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": report.title[:HEADER], "emoji": False}},
        *(
            {"type": "section", "text": {"type": "mrkdwn", "text": clip(part, SECTION), "verbatim": True}}
            for part in parts
        ),
    ]
    if notes:
        blocks.append(
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": clip(notes, SECTION), "verbatim": True}],
            }
        )
    command = f"watchkeeper report --week {report.week} --time-zone {report.time_zone}"
    blocks.append(
        {
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": f"`{escaped(command)}`", "verbatim": True}],
        }
    )
    return {"text": clip(escaped(parcel.subject), TEXT), "blocks": blocks}


def report_mail(parcel: Parcel, channel: Email, now: datetime) -> EmailMessage:
    """The mail. Its message id is the parcel's key, so that one that comes twice can be told. Raises Rejected where it can't be made."""
    report = parcel.report
    domain = channel.sender.partition("@")[2].lower()
    said = [*(f"{number}. {one.text}" for number, one in enumerate(report.findings, start=1)), report.summary]
    notes = [note.text for note in report.notes]
    mail = EmailMessage(policy=SMTP_POLICY)
    try:
        mail["From"] = Address(display_name="Watchkeeper", addr_spec=channel.sender)
        mail["To"] = tuple(Address(addr_spec=to) for to in channel.to)
        mail["Subject"] = parcel.subject[:SUBJECT].replace("=?", "= ?")
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{parcel.key}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(
            "\n\n".join(
                [
                    report.title,
                    report.subtitle,
                    *said,
                    *notes,
                    f"The whole report is attached: {parcel.attached_name}",
                ]
            )
            + "\n"
        )
        mail.add_alternative(_mail_page(parcel), subtype="html")
        kind, _, subtype = parcel.attached_type.partition("/")
        mail.add_attachment(
            parcel.attached,
            maintype=kind,
            subtype=subtype,
            filename=parcel.attached_name,
            params={"charset": "utf-8"} if kind == "text" else {},
        )
    except (ValueError, MessageError) as exc:
        raise Rejected("refused_by_channel", f"the mail can't be made ({type(exc).__name__})") from None
    return mail


def _mail_page(parcel: Parcel) -> str:
    """The HTML part: what mail programs show of it is little, so it is little."""
    report = parcel.report
    findings = "".join(f'<li style="margin:0 0 10px">{escape(one.text)}</li>' for one in report.findings)
    notes = "".join(f'<p style="margin:0 0 6px">{escape(note.text)}</p>' for note in report.notes)
    listed = f'<ol style="margin:0 0 16px;padding-left:24px">{findings}</ol>' if findings else ""
    noted = (
        f'<div style="background:#f4f6f9;padding:10px 14px;font-size:14px;color:#57606a">{notes}</div>'
        if notes
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title></head>'
        '<body style="margin:0;padding:20px;background:#ffffff;color:#1b1f24;font:16px/1.5 Arial,sans-serif"><div style="max-width:640px">'
        f'<h1 style="font-size:24px;line-height:1.2;margin:0 0 4px">{escape(report.title)}</h1>'
        f'<p style="margin:0 0 16px;color:#57606a">{escape(report.subtitle)}</p>'
        f'{listed}<p style="margin:0 0 12px">{escape(report.summary)}</p>{noted}'
        f'<p style="margin:16px 0 0">The whole report is attached: {escape(parcel.attached_name)}.</p></div></body></html>'
    )
