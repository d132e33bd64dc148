"""Pictures of audits, at the borders of what can be drawn."""

from __future__ import annotations

import struct
from xml.etree import ElementTree as ET

import msgspec
import pytest

from monitor.audit.pictures import PastPoint, audit_picture, drawable, layer_points, past_points
from schemas.audits import AuditPicture, AuditRecord, AuditValue
from tests.unit.audit.recorded import NOON, history, record

PLANE = AuditPicture(
    layer="layer_00", projection="pca", shares=(0.5, 0.1), x=(0.0, 1.0), y=(1.0, 0.0), is_safe=(True, False)
)


def of_layers(count: int, value: float | None = 0.1) -> AuditRecord:
    """An audit of so many layers, all alike."""
    values = tuple(
        AuditValue(layer=f"layer_{n:03d}", measure="j", value=value, low=value, high=value, p=0.1, n=160)
        for n in range(count)
    )
    return msgspec.structs.replace(record(), values=values, picture=PLANE)


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("layers", [1, 2, 33, 512])
def test_one_layer_and_hundreds_are_drawn_on_a_sheet_of_one_size(layers: int) -> None:
    one = of_layers(layers)
    png = audit_picture(one, one, past_points(history([one], "layer_000")), layer="layer_000", format="png")
    assert png.startswith(b"\x89PNG")
    assert size(png) == (1200, 1008)


def test_what_is_infinite_or_missing_is_left_out_and_the_rest_is_drawn() -> None:
    one = of_layers(3, value=None)
    svg = audit_picture(one, None, [PastPoint(NOON, None, None, None)], layer="layer_000")
    ET.fromstring(svg)
    mixed = msgspec.structs.replace(
        one,
        picture=None,
        values=(
            *one.values,
            AuditValue(
                layer="inf", measure="j", value=float("inf"), low=None, high=float("nan"), p=None, n=2
            ),
            AuditValue(layer="huge", measure="j", value=1e300, low=-1e300, high=1e300, p=1.0, n=2),
            AuditValue(layer="fine", measure="j", value=0.2, low=0.1, high=None, p=1.0, n=2),
        ),
    )
    assert [point.value for point in layer_points(mixed)] == [None] * 5 + [0.2]
    ET.fromstring(audit_picture(mixed, mixed, [], layer="fine"))
    assert drawable(1e300) is drawable(float("nan")) is drawable(None) is None


def test_the_plane_takes_points_that_lie_in_one_place_or_nowhere() -> None:
    same = msgspec.structs.replace(PLANE, x=(1.0,) * 4, y=(1.0,) * 4, is_safe=(True, True, False, False))
    lost = msgspec.structs.replace(PLANE, x=(float("nan"), 1e305), y=(0.0, 1.0))
    for plane in (same, lost, msgspec.structs.replace(PLANE, x=(), y=(), is_safe=())):
        ET.fromstring(
            audit_picture(msgspec.structs.replace(record(), picture=plane), None, [], layer="layer_00")
        )


def test_the_same_audit_gives_the_same_bytes() -> None:
    one = of_layers(4)
    assert audit_picture(one, None, [], layer="layer_000") == audit_picture(one, None, [], layer="layer_000")


@pytest.mark.parametrize(
    "name",
    [
        r"$\frac{1}{0}$ $",
        "<script>alert(1)</script>&",
        "模型 نموذج \u202emodel",
        "a\x1b[31m\nb\x00",
        "x" * 200,
        "\\",
    ],
)
def test_a_strangers_name_is_drawn_as_it_is_and_stays_within_the_sheet(name: str) -> None:
    one = msgspec.structs.replace(of_layers(2), model=name, anchor_set=name)
    one = msgspec.structs.replace(
        one,
        picture=msgspec.structs.replace(PLANE, layer=name),
        values=tuple(
            msgspec.structs.replace(value, layer=f"{name}{n}") for n, value in enumerate(one.values)
        ),
    )
    svg = audit_picture(one, one, past_points(history([one], f"{name}0")), layer=name)
    root = ET.fromstring(svg)
    assert not [
        element for element in root.iter() if "script" in element.tag or element.tag.endswith("}text")
    ]
    assert size(audit_picture(one, one, [], layer=name, format="png")) == (1200, 1008)


def test_a_naive_moment_of_the_store_is_read_as_utc() -> None:
    rows = history([record()], "layer_03")
    rows[0]["at"] = NOON.replace(tzinfo=None)
    assert past_points(rows)[0].at == NOON
