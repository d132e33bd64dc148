"""Calibrations as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.cli.calibrate_shapes import (
    CalibrationDocument,
    CalibrationLine,
    CalibrationsDocument,
    EvidenceLine,
    ProposalDocument,
    StepDocument,
    ThresholdsLine,
)
from monitor.cli.shapes import Estimate
from monitor.cli.threshold_plot import threshold_plot
from monitor.meaning import Word
from monitor.recalibration.rate_curve import RateCurve
from monitor.recalibration.signing import Distrust
from monitor.wording.figures import moment, number
from monitor.wording.visible import visible

STATE_STYLES: Final[Mapping[str, str]] = {
    "proposed": "bold yellow",
    "approved": "yellow",
    "published": "cyan",
    "observed": "cyan",
    "kept": "green",
    "rolled_back": "red",
}
_MOST_PLOTS: Final = 6


def overview(document: CalibrationsDocument) -> Group:
    """One row a model."""
    parts: list[RenderableType] = []
    if document.calibrations:
        table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
        for name in ("model", "version", "state", "since", "rule", "threshold", "next"):
            table.add_column(name, overflow="fold", justify="right" if name == "version" else "left")
        for line in document.calibrations:
            table.add_row(
                visible(line.model),
                str(line.version),
                Text(line.state, style=STATE_STYLES.get(line.state, "")),
                Text(moment(line.at), style="dim"),
                line.now.rule,
                _moved(line),
                Text(line.next_step, style="dim"),
            )
        parts.append(table)
    parts += [
        Text(f"{visible(model)}: no calibration yet; the model chooses by itself", style="dim")
        for model in document.without
    ]
    if not document.calibrations and not document.without:
        parts.append(
            Text(
                "No model has a calibration, and none is in a policy file (docs/recalibration.md).",
                style="yellow",
            )
        )
    return Group(*parts, *ignored_lines(document.ignored))


def ignored_lines(ignored: Mapping[str, int]) -> list[Text]:
    """What stands on the topic and doesn't count."""
    meanings: dict[str, Word] = {str(one): one for one in Distrust}
    return [
        Text(
            f"⚠ {count:,} message{' of the topic is' if count == 1 else 's of the topic are'} ignored: {reason}. {meanings[reason].meaning if reason in meanings else ''}",
            style="red",
        )
        for reason, count in sorted(ignored.items())
    ]


def explained(document: CalibrationDocument, curves: Sequence[RateCurve], width: int) -> Group:
    """All that is known of one calibration, for `width` columns."""
    line = document.calibration
    head = Text(f"{visible(line.model)}, version {line.version}: ", style="bold")
    head.append(line.state, style=STATE_STYLES.get(line.state, ""))
    head.append(f" since {moment(line.at)}, by {visible(line.by) or 'somebody'}", style="default")
    parts: list[RenderableType] = [head]
    if line.reason:
        parts.append(_indented(visible(line.reason)))
    parts += [
        _indented(f"in force: {_in_force(line)}"),
        _indented(f"next: {line.next_step}"),
        *(_indented(f"needs a person: {visible(why)}", "yellow") for why in line.needs_person),
        Text(),
        Text(
            f"Calibrated on {moment(document.calls_from)} to {moment(document.calls_until)}; "
            f"rule {line.now.rule}, temperature {number(line.now.temperature)}",
            style="dim",
        ),
        _evidence(document.evidence),
    ]
    parts += [
        _indented(f"{_group(part.group)}{visible(part.guarantee)}", "dim")
        for part in document.evidence
        if part.guarantee
    ]
    if document.text is not None:
        text = document.text
        how = "95 % interval, from randomised traffic" if text.is_randomised else "at least and at most"
        parts += [
            Text(),
            Text(
                f"Refusals in words under the new thresholds: {_share(text.low)} to {_share(text.high)} ({how}); "
                f"{_share(text.switched)} of the prompts get another token."
            ),
        ]
    for curve in curves[:_MOST_PLOTS]:
        name = visible(curve.group) or "all prompts"
        parts += [
            Text(),
            Text(f"Share of prompts with the refusal token, by threshold: {name}", style="bold"),
        ]
        parts += threshold_plot(curve, width)
    if len(curves) > _MOST_PLOTS:
        parts.append(
            Text(f"… and {len(curves) - _MOST_PLOTS} more groups; --plot and --json have them.", style="dim")
        )
    if document.curves_missing:
        parts += [Text(), Text(f"No curve: {document.curves_missing}", style="yellow")]
    return Group(*parts)


def proposal_view(document: ProposalDocument, curves: Sequence[RateCurve], width: int) -> Group:
    """What came of looking for thresholds."""
    model = visible(document.model)
    heads = {
        "proposed": (f"✓ Proposed for {model}", "bold green"),
        "would_propose": (f"Would be proposed for {model}; nothing was written", "bold cyan"),
        "unchanged": (f"Nothing to change for {model}", "bold"),
        "declined": (f"Nothing is proposed for {model}, and nothing changes", "bold yellow"),
    }
    head, style = heads[document.outcome]
    parts: list[RenderableType] = [Text(head, style=style)]
    parts += [_indented(visible(reason)) for reason in document.reasons]
    parts += [_indented(visible(line), "dim") for line in document.not_identified]
    if document.proposal is not None:
        parts += [Text(), explained(document.proposal, curves, width)]
    return Group(*parts)


def step_view(document: StepDocument) -> Text:
    """A step that was taken."""
    text = Text("✓ ", style="green")
    text.append(f"{visible(document.model)}, version {document.version}: {document.state}", style="bold")
    return text.append(f"\n  {document.what_happens}", style="default")


def _evidence(parts: Sequence[EvidenceLine]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    has_groups = any(part.group for part in parts)
    if has_groups:
        table.add_column("token", overflow="fold")
    for name in ("threshold", "share with the token", "over-refusal", "miss", "prompts", "procedure"):
        table.add_column(name, justify="left" if name == "procedure" else "right", overflow="fold")
    for part in parts:
        row = [visible(part.group)] if has_groups else []
        before = "" if part.threshold_before is None else f"{part.threshold_before:.3f} → "
        rate = "" if part.rate_before is None else f"{_share(part.rate_before.value)} → "
        wanted = "" if part.target_rate is None else f", wanted {_share(part.target_rate)}"
        table.add_row(
            *row,
            f"{before}{part.threshold:.3f}",
            f"{rate}{_interval(part.rate)}{wanted}",
            _bounded(part.over_refusal, part.over_refusal_at_most),
            _bounded(part.miss, part.miss_at_most),
            f"{part.n:,}" + ("" if round(part.effective) == part.n else f" (worth {part.effective:,.0f})"),
            part.procedure,
        )
    return table


def _moved(line: CalibrationLine) -> str:
    names = list(line.now.values)
    shown = []
    for name in names[:3]:
        before = None if line.before is None else line.before.values.get(name)
        moved = (
            f"{line.now.values[name]:.3f}"
            if before is None
            else f"{before:.3f} → {line.now.values[name]:.3f}"
        )
        shown.append(f"{visible(name)} {moved}" if name else moved)
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _in_force(line: CalibrationLine) -> str:
    found: ThresholdsLine | None = line.in_force
    if found is None:
        return "no rule; the model chooses by itself"
    values = ", ".join(f"{_group(name)}{value:.3f}" for name, value in found.values.items())
    of = (
        f"version {line.version_in_force}" if line.version_in_force else "what was set before any calibration"
    )
    return f"{values} ({of})"


def _bounded(found: Estimate | None, at_most: float | None) -> str:
    if found is None:
        return "—"
    return _interval(found) + ("" if at_most is None else f", at most {_share(at_most)}")


def _interval(found: Estimate) -> str:
    return f"{_share(found.value)} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _group(name: str) -> str:
    return f"{visible(name)}: " if name else ""


def _indented(text: str, style: str = "default") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
