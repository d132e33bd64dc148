"""An audit on a terminal and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.audit.pictures import Point, past_points
from monitor.cli.audit_show import Shown, audit_document, plot_format
from monitor.cli.audit_view import audit_view, headline
from monitor.cli.layer_plot import HEIGHT, layer_plot
from monitor.errors import Misconfigured
from schemas.audits import AuditRecord
from tests.unit.audit.recorded import history, record, refused
from tests.unit.cli.rendering import rendered


def shown(one: AuditRecord, earlier: tuple[AuditRecord, ...] = (), width: int = 110, **given: Any) -> str:
    layer = headline(one)
    past = past_points(history([*earlier, one], layer))
    return rendered(audit_view(one, past, width, layer=layer, **given), width)


def test_a_fall_is_told_with_its_place_its_size_and_its_p_value() -> None:
    first = record()
    second = record(number=1, apart=1.0, before=first)
    text = shown(second, (first,))
    assert "▼ J fell since the audit before (00000000) in" in text
    assert "adjusted p 0.00" in " ".join(text.split())
    assert "changed" in text
    assert "J before" in text
    assert "audits so far" in text
    assert second.anchors in text
    assert "80 safe, 80 unsafe in 80 clusters" in text
    for hashed in ("a" * 16, "b" * 16, "weights@0123456789ab"):
        assert hashed in text


def test_no_change_is_told_as_such_and_a_first_audit_as_one() -> None:
    first = record()
    assert "The first audit of its series" in shown(first)
    second = record(number=1, before=first)
    assert "✓ no change since the audit before" in shown(second, (first,))


def test_each_form_of_aqi_has_its_name_and_a_bare_one_is_nowhere() -> None:
    text = shown(record())
    assert "AQI, section 3 of the paper" in text
    assert all(line.partition("AQI")[2].startswith(",") for line in text.splitlines() if "AQI" in line)


def test_a_refused_audit_says_why() -> None:
    text = shown(refused())
    assert "refused: all anchors have the same label" in text
    assert "494 safe and 0 unsafe" in text
    assert audit_document(Shown(refused(), None, "", ())).state == "refused"


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("layers", [1, 60])
def test_lines_keep_to_the_width(width: int, layers: int) -> None:
    one = record()
    values = tuple(msgspec.structs.replace(one.values[0], layer=f"layer_{n:03d}") for n in range(layers))
    text = shown(msgspec.structs.replace(one, values=values, picture=None), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_hundreds_of_layers_are_told_in_part_with_what_changed() -> None:
    first = record()
    one = msgspec.structs.replace(
        first,
        values=tuple(msgspec.structs.replace(first.values[0], layer=f"layer_{n:03d}") for n in range(300)),
        changes=tuple(
            msgspec.structs.replace(
                record(number=1, apart=1.0, before=first).changes[-1], layer=f"layer_{n:03d}"
            )
            for n in (7, 251)
        ),
        picture=None,
    )
    text = shown(one)
    assert "40 of 300 places; all by --json" in text
    assert "layer_007" in text
    assert "layer_251" in text
    assert "mean of ≤ 4 layers" in text


def test_infinite_values_are_written_as_such() -> None:
    one = record()
    infinite = tuple(
        msgspec.structs.replace(value, value=None, low=None, high=None, p=None) for value in one.values
    )
    text = shown(msgspec.structs.replace(one, values=infinite, picture=None))
    assert "∞" in text
    assert "●" not in text


def test_names_can_not_drive_the_terminal() -> None:
    one = msgspec.structs.replace(
        record(), model="a\x1b]0;b\x07\u202e", anchor_set="x\ny", model_version="[red]z"
    )
    text = shown(one)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]z" in text


def test_the_document_holds_all_and_names_whose_history_it_is() -> None:
    first = record()
    second = record(number=1, apart=1.0, before=first)
    layer = headline(second)
    document = audit_document(Shown(second, first, layer, history([first, second], layer)))
    assert document.history_layer == layer
    assert [line.id for line in document.history] == [first.id, second.id]
    assert len(document.values) == len(second.values)
    assert document.picture is not None
    assert len(document.picture.x) == 160
    assert document.changes[0].p_adjusted == second.changes[0].p_adjusted


def plotted(points: list[Point], width: int = 60, **given: Any) -> list[str]:
    lines = layer_plot(points, given.get("before", {}), given.get("changed", frozenset()), width)
    return [line.plain for line in lines]


def test_the_plot_has_a_column_for_a_layer_and_a_mark_for_a_change() -> None:
    points = [Point(f"layer_{n:02d}", n / 10, n / 10 - 0.05, n / 10 + 0.05) for n in range(5)]
    lines = plotted(points, before={"layer_00": 0.3}, changed=frozenset({"layer_04"}))
    body = "\n".join(lines[:HEIGHT])
    assert body.count("●") == 4
    assert body.count("◆") == 1
    assert body.count("╌") == 1
    assert "layer_00" in lines[HEIGHT + 1]
    assert max(map(len, lines)) <= 60


def test_the_plot_of_one_layer_of_negative_values_and_of_nothing_finite() -> None:
    assert "●" in "".join(plotted([Point("layer_00", 0.0, 0.0, 0.0)]))
    assert "●" in "".join(plotted([Point("layer_00", -0.2, -0.3, None)]))
    assert plotted([]) == []
    assert plotted([Point("layer_00", None, None, None), Point("b", float("inf"), None, 1e300)]) == []


def test_hundreds_of_layers_fit_a_narrow_plot() -> None:
    lines = plotted([Point(f"layer_{n:03d}", 0.1, 0.0, 0.2) for n in range(512)], width=40)
    assert max(map(len, lines)) <= 40
    assert any("mean of ≤ 19 layers" in line for line in lines)


def test_a_plot_is_svg_or_png_by_its_name(tmp_path: Any) -> None:
    assert plot_format(tmp_path / "a.SVG") == "svg"
    assert plot_format(tmp_path / "a.png") == "png"
    for name in ("a.pdf", "a", ".svg"):
        with pytest.raises(Misconfigured, match="neither"):
            plot_format(tmp_path / name)
