"""Formatting the embedded broker's storage."""

from __future__ import annotations

from pathlib import Path

from monitor.embedded.folders import user_folders
from monitor.embedded.jars import fetch, pinned_jars
from monitor.embedded.java import find_java
from monitor.embedded.kafka_config import format_storage, write_configuration


def test_a_cluster_id_that_begins_with_a_dash_is_no_option(tmp_path: Path) -> None:
    jars = fetch(pinned_jars(), user_folders().cache / "maven", on_bytes=lambda _there, _total: None)
    java = [str(find_java().executable), "-cp", ":".join(map(str, jars))]
    configuration = write_configuration(tmp_path, {"broker": 29092, "controller": 29093})

    format_storage(java, configuration, "-QVtYLs7Rw2X3tnbRHPuGg")

    assert "cluster.id=-QVtYLs7Rw2X3tnbRHPuGg" in (tmp_path / "log" / "meta.properties").read_text()
