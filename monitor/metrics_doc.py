"""docs/metrics.md, written from the metrics: `python -m monitor.metrics_doc` (`--check` only compares)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitor.generated import write_or_compare
from monitor.metric_spec import OTHER, Label
from monitor.metrics import Metric

DOCUMENT: Final = Path("docs/metrics.md")

INTRODUCTION: Final = """\
# Metrics

Written from `monitor/metrics.py` and `monitor/metric_spec.py` by `python -m monitor.metrics_doc`; `make check` fails where
they differ.

Every worker serves these at `/metrics`, beside `/livez` and `/readyz` (see [Watching Watchkeeper](watching.md)). Counters count since
the worker's start, so read them with `rate` or `increase`. No label holds anything that a user typed, and none has more
values than this page says or the deployment has topics and partitions.
"""

PROCESS: Final = """\
## The process

Where the system tells of it (Linux): `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_open_fds`, `process_max_fds` and `process_start_time_seconds`, as every Prometheus client has them.
"""


def render() -> str:
    """The whole document."""
    rows = [
        f"| `{spec.name}` | {spec.kind} | {spec.unit or 'none'} | {_labels(spec.labels)} | {_cell(spec.meaning)} |"
        for spec in (metric.value for metric in Metric)
    ]
    metrics = [
        "## Ours",
        "",
        "| metric | kind | unit | labels | meaning |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    labels = [
        "## Labels",
        "",
        f"A value that is none of these is counted as `{OTHER}`.",
        "",
        "| label | of | meaning | values |",
        "|---|---|---|---|",
        *(
            f"| `{label.key}` | {_bearers(label)} | {_cell(label.meaning)} | {_values(label)} |"
            for label in Label
        ),
        "",
    ]
    return "\n".join([INTRODUCTION, *metrics, *labels, *_buckets(), PROCESS])


def _labels(labels: Sequence[Label]) -> str:
    return ", ".join(f"`{label.key}`" for label in labels) or "none"


def _bearers(label: Label) -> str:
    """Which metrics have it: named where one name means two things."""
    namesakes = [other for other in Label if other.key == label.key]
    bearers = [f"`{metric.value.name}`" for metric in Metric if label in metric.value.labels]
    return ", ".join(bearers) if len(namesakes) > 1 or len(bearers) == 1 else f"{len(bearers)} metrics"


def _values(label: Label) -> str:
    if label.values is None:
        return "as deployed"
    return ", ".join(f"`{value}`" for value in sorted(label.values))


def _buckets() -> list[str]:
    rows = [
        f"| `{spec.name}` | {', '.join(f'{bound:g}' for bound in spec.buckets)} |"
        for spec in (metric.value for metric in Metric)
        if spec.kind == "histogram"
    ]
    return ["## Buckets", "", "| histogram | upper bounds, in its unit |", "|---|---|", *rows, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


def main(arguments: Sequence[str]) -> int:
    """See monitor/generated.py."""
    return write_or_compare(DOCUMENT, render(), "monitor.metrics_doc", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
