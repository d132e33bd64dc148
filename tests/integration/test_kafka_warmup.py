"""The broker's start-up cache: none at the first start, made at the second, used from then on."""

from __future__ import annotations

from pathlib import Path

from monitor.embedded.folders import user_folders
from monitor.embedded.kafka import KafkaPart
from monitor.embedded.progress import Progress


async def test_the_cache_is_made_at_the_second_start_and_used_from_then_on(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    jars = user_folders().cache / "maven"
    jars.mkdir(parents=True, exist_ok=True)
    (cache / "maven").symlink_to(jars, target_is_directory=True)
    seen: list[tuple[list[str], bool]] = []
    for _ in range(3):
        steps: list[Progress] = []
        async with KafkaPart(tmp_path / "kafka", cache=cache, on_progress=steps.append) as broker:
            phases: list[str] = [step.phase for step in steps if step.phase != "downloading"]
            seen.append(
                (phases, any(word.startswith(b"-XX:AOTCache=") for word in _command_line(broker.pid)))
            )
    assert seen == [
        (["starting", "ready"], False),
        (["preparing", "starting", "ready"], True),
        (["starting", "ready"], True),
    ]
    assert [path.name for path in cache.iterdir() if path.name.startswith("warm-up-")] == []


def _command_line(pid: int | None) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
