"""A report as a channel is sent it: what it says in short, the whole of it, and a key by which a receiver can tell that it has it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from monitor.reporting.document import Report
from monitor.reporting.formats import CONTENT_TYPES, Format, file_name, rendered


@dataclass(frozen=True, slots=True)
class Parcel:
    """For one channel. `page`: the HTML; `attached`: the file in the format that is wanted, with its name and type."""

    report: Report
    key: str
    page: str
    attached: bytes
    attached_name: str
    attached_type: str

    @property
    def subject(self) -> str:
        """One line: what week, and how many things changed."""
        return f"{self.report.title}: {self.report.summary.split('. ')[0].rstrip('.')}"


def parcel_of(report: Report, form: Format, *, fleet: str, channel: str) -> Parcel:
    """The same key for the same fleet, week, zone and channel, whoever sends it and for each try. Raises Misconfigured for a PDF without
    Typst."""
    said = f"{fleet}\x00{report.week}\x00{report.time_zone}\x00{channel}"
    return Parcel(
        report,
        hashlib.sha256(said.encode()).hexdigest()[:32],
        rendered(report, "html").decode(),
        rendered(report, form),
        file_name(report, form),
        CONTENT_TYPES[form].partition(";")[0],
    )
