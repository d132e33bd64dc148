"""Closed windows: the counts of a stretch of arrival time, once and for all. What drift is watched on.

A window is written once when it closes (schemas/clickhouse, watch_windows) and never changes, whatever is delivered again
later: who replays the windows gets the same alerts.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class WindowCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Exchanges of one cell, as one guard and calibration labelled them. Each event counts once. Raw counts, not weighted:
    which events are scored is drawn by a hash of the id alone, so that shares of the scored are those of all.

    `category` is "" where the guard gave no answer. `events`: all. `to_be_scored`: not sampled out. `answered`: status ok.
    `responded`: answered, with a response; of these `refused`. `harmless`, `harmful`: responded, by whether the prompt is
    harmful; of these refused `harmless_refused` and `harmful_refused`. `harmful_prompts`: of the answered.
    `harmful_responses`: of the responded.
    """

    tenant: str
    model: str
    category: str
    guard_name: str
    guard_version: str
    guard_prompt_hash: str
    calibration_version: int
    events: int
    to_be_scored: int
    answered: int
    responded: int
    refused: int
    harmless: int
    harmless_refused: int
    harmful: int
    harmful_refused: int
    harmful_prompts: int
    harmful_responses: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that arrived in [begins_at, ends_at), live traffic alone. `messages` of the chat logs were read then, of
    which `dead_letters` were bad. Windows of history may be wider than those that are watched."""

    begins_at: datetime
    ends_at: datetime
    rows: tuple[WindowCounts, ...]
    messages: int
    dead_letters: int
