"""docs/cli.md is what the commands say."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from monitor.cli import alerts_shapes, calibrate_shapes, channel_shapes, docs, drift_shapes, shapes
from monitor.cli.exits import ExitCode
from monitor.cli.main import COMMANDS, Entry

REPOSITORY = Path(__file__).resolve().parents[3]


def leaves(entries: tuple[Entry, ...] = COMMANDS, prefix: str = "") -> list[tuple[str, Entry]]:
    found: list[tuple[str, Entry]] = []
    for entry in entries:
        name = f"{prefix}{entry.name}"
        found += [(name, entry)] if entry.function else []
        found += leaves(entry.commands, f"{name} ")
    return found


def test_the_document_is_what_the_commands_say() -> None:
    assert (REPOSITORY / docs.DOCUMENT).read_text(encoding="utf-8") == docs.render()


def test_every_command_has_its_section_and_every_exit_code_its_row() -> None:
    text = docs.render()
    assert all(f"## watchkeeper {name}\n" in text for name, _ in leaves())
    assert all(f"| {code.value} | " in text for code in ExitCode)


@pytest.mark.parametrize(
    ("name", "entry"), leaves(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_with_json_has_a_documented_shape(name: str, entry: Entry) -> None:
    function = getattr(import_module(entry.module), entry.function)
    assert ("as_json" in inspect.signature(function).parameters) == (name in docs.DOCUMENTS)


def test_every_field_of_every_document_is_described() -> None:
    found = [
        shape
        for module in (shapes, alerts_shapes, calibrate_shapes, channel_shapes, drift_shapes)
        for shape in vars(module).values()
    ]
    for shape in found:
        if isinstance(shape, type) and issubclass(shape, shapes.Document):
            assert all(field.description for field in shape.model_fields.values()), shape


def test_check_says_when_the_document_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert docs.main(["--check"]) == 1
    assert "run `python -m monitor.cli.docs`" in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert docs.main(["--nonsense"]) == 2
