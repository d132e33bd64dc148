"""The weekly report through real receivers on this machine: a folder, Slack, a webhook and mail; hostile texts stay texts there too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.channels.reports import ReportFolder, report_channel
from monitor.adapters.channels.webhook import signature
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.notifying.channels_file import parse_channels
from monitor.notifying.references import Secrets
from monitor.reporting.building import build
from monitor.reporting.parcels import Parcel, parcel_of
from tests.fakes.mail_server import MailServer
from tests.fakes.receiver import TLS, Receiver, answer
from tests.fakes.reporting import HOSTILE, an_alert, facts_of
from tests.unit.notifying.made import channel

SECRETS = Secrets({"HOOK_SECRET": "s3cr3t", "SLACK_URL": "unset"})


@pytest.fixture(scope="module")
def parcel() -> Parcel:
    report = build(
        facts_of(
            [],
            alerts=(
                an_alert(kind="odd", title=f"{HOSTILE} <!channel>\r\nBcc: x@evil.example", evidence=None),
            ),
            tenant=HOSTILE,
        )
    )
    return parcel_of(report, "html", fleet="wk", channel="team")


async def test_a_mail_holds_the_findings_and_the_whole_report(parcel: Parcel) -> None:
    async with MailServer() as server:
        given: dict[str, Any] = {
            "host": "localhost",
            "port": server.port,
            "allow_private": True,
            "ca_file": TLS / "authority.pem",
        }
        sender = report_channel(channel("email", **given), SECRETS)
        await sender.send(parcel)
        await sender.send(parcel)
    one, two = server.mails
    assert one["Subject"].startswith("Safety report, 16 to 22 November 2026: ")
    assert one["Message-ID"] == two["Message-ID"]
    assert one["Bcc"] is None
    assert [part.get_content_type() for part in one.iter_parts()] == ["multipart/alternative", "text/html"]
    (attached,) = one.iter_attachments()
    assert attached.get_filename() == "safety-report-2026-W47.html"
    assert attached.get_content().strip() == parcel.page.strip()
    page = one.get_body(("html",))
    assert page is not None
    assert "<script>" not in page.get_content()


async def test_slack_is_sent_the_findings_and_takes_nothing_in_them_for_markup(parcel: Parcel) -> None:
    async with Receiver() as receiver:
        secrets = Secrets({"SLACK_URL": f"{receiver.address}/hook"})
        await report_channel(channel("slack", allow_private=True), secrets).send(parcel)
    (request,) = receiver.requests
    said = json.dumps(request.json)
    assert "<!channel>" not in said
    assert "&lt;!channel&gt;" in said
    assert "watchkeeper report --week 2026-W47 --time-zone UTC" in said
    assert len(request.json["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3_000 for block in request.json["blocks"] if "text" in block)


async def test_a_webhook_is_sent_the_report_signed_with_the_same_key_at_each_try(parcel: Parcel) -> None:
    async with Receiver(answers=[answer(503)]) as receiver:
        sender = report_channel(
            channel("webhook", name="team", url=receiver.address, allow_private=True), SECRETS
        )
        with pytest.raises(Retryable):
            await sender.send(parcel)
        await sender.send(parcel)
    one, two = receiver.requests
    assert one.headers["watchkeeper-delivery"] == two.headers["watchkeeper-delivery"] == parcel.key
    assert (
        two.headers["watchkeeper-signature"]
        == f"v1={signature('s3cr3t', two.headers['watchkeeper-timestamp'], two.body)}"
    )
    assert set(two.json) == {"version", "delivery", "channel", "text", "report"}
    assert two.json["report"]["week"] == "2026-W47"


async def test_what_a_receiver_will_never_take_is_rejected(parcel: Parcel) -> None:
    async with Receiver(then=answer(413)) as receiver:
        with pytest.raises(Rejected):
            await report_channel(channel("webhook", url=receiver.address, allow_private=True), SECRETS).send(
                parcel
            )


async def test_a_folder_holds_whole_files_alone_and_a_report_that_comes_again_takes_the_place(
    parcel: Parcel, tmp_path: Path
) -> None:
    folder = ReportFolder(tmp_path / "a" / "b")
    await folder.send(parcel)
    await folder.send(parcel)
    (only,) = (tmp_path / "a" / "b").iterdir()
    assert only.read_text(encoding="utf-8") == parcel.page
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="can't be written"):
        await ReportFolder(tmp_path / "file" / "reports").send(parcel)


def test_the_file_of_channels_says_who_takes_reports() -> None:
    hook = 'type = "webhook"\nurl = "https://example.com"\nsecret = "env:S"\n'
    channels, faults = parse_channels(f"[channels.a]\n{hook}reports = true\nalerts = false\n")
    assert faults == []
    assert channels[0].reports
    assert not channels[0].wants(an_alert())  # type: ignore[arg-type]  # it looks at nothing of it
    _, faults = parse_channels(f"[channels.a]\n{hook}alerts = false\n")
    assert "without alerts and without reports" in faults[0]
    _, faults = parse_channels('[channels.p]\ntype = "pagerduty"\nrouting_key = "env:K"\nreports = true\n')
    assert "slack, webhook and email take the weekly report" in faults[0]
