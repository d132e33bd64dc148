"""Which models the embedded Triton serves."""

from __future__ import annotations

from pathlib import Path

from monitor.embedded.triton import TritonPart


def model(repository: Path, name: str) -> Path:
    folder = repository / name
    folder.mkdir(parents=True)
    (folder / "config.pbtxt").write_text(f'name: "{name}"\n', encoding="utf-8")
    return folder


def served(tmp_path: Path, *also: Path) -> tuple[str, ...]:
    return TritonPart(tmp_path / "part", tmp_path / "models", also=also).models


def test_the_guard_is_served_beside_a_repository_that_has_none(tmp_path: Path) -> None:
    guard = model(tmp_path / "installed", "guard_lite")
    model(tmp_path / "models", "probe")
    assert served(tmp_path, guard) == ("guard_lite", "probe")


def test_what_the_repository_lacks_is_served_only_where_it_is_a_model_and_the_repository_has_one(
    tmp_path: Path,
) -> None:
    guard = model(tmp_path / "installed", "guard_lite")
    assert served(tmp_path, guard) == (), "an empty repository is a mistake"
    model(tmp_path / "models", "probe")
    assert served(tmp_path, tmp_path / "installed" / "wildguard") == ("probe",)
