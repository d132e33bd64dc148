"""Logging: structlog for ours, and the libraries' own loggers through the same pipe."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog

from monitor.settings import WorkerSettings

REPEAT_AFTER_S: Final = 30.0
_QUIET: Final = ("aiokafka", "faust", "mode", "asyncio", "clickhouse_connect", "urllib3")


class Sparse(logging.Filter):
    """Lets a library say the same thing once in REPEAT_AFTER_S: a client whose broker is away says it many times a
    second. The same thing is the same logger and template, so the memory of it is bounded by the libraries' code."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True where the record may be written; it then tells how many like it were not."""
        key = (record.name, str(record.msg))
        said_s, unsaid = self._said.get(key, (float("-inf"), 0))
        if self._now_s() - said_s < REPEAT_AFTER_S:
            self._said[key] = (said_s, unsaid + 1)
            return False
        self._said[key] = (self._now_s(), 0)
        if unsaid:
            record.repeated = unsaid
        return True


def configure(settings: WorkerSettings) -> None:
    """One line an event on stderr: pretty on a terminal, JSON otherwise. Libraries are heard from warning up."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*(p for p in shared if not isinstance(p, structlog.stdlib.ExtraAdder)), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparse())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
