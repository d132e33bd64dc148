"""The parts of the embedded stack as they start: one line each, with a bar while something is downloaded."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from monitor.embedded.progress import Progress
from monitor.wording.visible import visible

_TITLES: Final = {"kafka": "Kafka", "triton": "Triton", "clickhouse": "ClickHouse", "workers": "workers"}
_STYLES: Final = {"ready": "green", "died": "red", "restarting": "yellow", "stopped": "dim"}
_MEBIBYTE: Final = 1_048_576


class StackProgress:
    """Shows what parts report: `with StackProgress(console) as shown: Stack(…, on_progress=shown)`.

    On a terminal the lines move in place; elsewhere each change is one line. May be called from any thread.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.fields[title]}", style="bold"),
            TextColumn("{task.description}", markup=False),
            _Download(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """One step of one part."""
        title = _TITLES.get(progress.part, progress.part)
        said = sentence(progress)
        if self._bars.disable or not self._bars.live.is_started:
            if self._last.get(progress.part) != said:
                self._last[progress.part] = said
                style = _STYLES.get(progress.phase, "")
                self._console.print(Text(f"{title}: ").append(said, style=style), soft_wrap=True)
            return
        if progress.part not in self._tasks:
            self._tasks[progress.part] = self._bars.add_task(
                "", total=1, title=title.ljust(10), part_bytes=(0, 0)
            )
        self._bars.update(
            self._tasks[progress.part],
            description=said,
            completed=1 if progress.phase == "ready" else 0,
            part_bytes=(progress.done_bytes, progress.total_bytes),
        )


def sentence(progress: Progress) -> str:
    """What a step is, for a person."""
    facts = {name: visible(fact) for name, fact in progress.facts.items()}
    if progress.phase in ("downloading", "preparing"):
        return f"{progress.phase} {facts.get('what', '')}".strip()
    if progress.phase == "ready":
        return f"ready at {facts.get('address', '')}" + (
            f" after {facts['start_s']} s" if "start_s" in facts else ""
        )
    if progress.phase == "died":
        return f"{facts.get('why', 'ended')}; its log: {facts.get('log', '')}; next try in {facts.get('next try in', '')}"
    return progress.phase


class _Download(ProgressColumn):
    """A bar with megabytes while something is downloaded, else nothing."""

    def render(self, task: Task) -> ProgressBar | Text:
        done, total = task.fields["part_bytes"]
        if not total or done >= total:
            return Text()
        return ProgressBar(total=total, completed=done, width=24)
