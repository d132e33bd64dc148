"""Live anchors: a sample of first turns that the guard is sure about. Pure.

A second set beside the matched one: what people really ask, with the guard's labels instead of ours. It drifts with the traffic, so a change
on it is one of the mix as much as of the model; and the guard's mistakes are in it. First turns alone, since what the model said
before is part of a later one; sure labels alone, since a wrong one blurs the classes. The texts are read back from the chat logs for the
audit, and are kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from monitor.audit.litmus import MAX_TEXT_CHARS, normalised
from monitor.audit.sources import AnchorSet

SAFE_BELOW: Final = 0.05
"""Probability of a harmful prompt at which the guard is sure that it isn't."""
UNSAFE_FROM: Final = 0.95
"""And that it is."""
MOST_A_CONVERSATION: Final = 2
"""First turns of one conversation id: more tell little more, and one conversation must not be half of the sample."""
SPARE: Final = 2
"""So many times the anchors wanted are looked for: some texts are gone, repeated, or cut."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored verdict that may become an anchor. `topic`, `partition`, `offset`, `index`: where its text stands."""

    event_id: str
    tenant: str
    conversation_id: str
    prompt_harm: float
    topic: str
    partition: int
    offset: int
    index: int

    @property
    def is_safe(self) -> bool | None:
        """The guard's label; None where it isn't sure."""
        return True if self.prompt_harm <= SAFE_BELOW else False if self.prompt_harm >= UNSAFE_FROM else None

    @property
    def cluster(self) -> str:
        """What it isn't independent of: its conversation, or itself where the log names none."""
        name = (
            f"{self.tenant}\x00{self.conversation_id}"
            if self.conversation_id
            else f"{self.tenant}\x01{self.event_id}"
        )
        return _hash(name)


@dataclass(frozen=True, slots=True)
class LiveSample:
    """The anchors, and what became of the other candidates: `gone` by retention or unreadable now, `not_first` turns, `repeated` texts,
    `unsuitable` (no text, or too long), `unsure` labels."""

    anchors: AnchorSet
    gone: int
    not_first: int
    repeated: int
    unsuitable: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Found:
    """The text of a candidate, and whether it was a first turn (system prompts don't count)."""

    text: str
    is_first: bool


def spread(candidates: Iterable[Candidate], *, seed: int) -> list[Candidate]:
    """In an order that depends on nothing but ids and `seed`."""
    return sorted(candidates, key=lambda one: (_hash(f"{seed}\x00{one.event_id}"), one.event_id))


def live_sample(
    candidates: Sequence[Candidate], texts: Sequence[Found | None], *, wanted: int, seed: int = 0
) -> LiveSample:
    """As many safe as unsafe anchors, `wanted` at most together. `texts`: of each candidate; None where it is gone.

    A text that both labels have is left out, a repeated one counts once; with either, what is popular or attacked in volume would be
    the sample. Deterministic. Whether there are enough is for `anchors()` of the set to say.
    """
    found = dict(zip((one.event_id for one in candidates), texts, strict=True))
    unsure = sum(one.is_safe is None for one in candidates)
    sure = [one for one in spread(candidates, seed=seed) if one.is_safe is not None]
    gone = sum(found[one.event_id] is None for one in sure)
    labels: dict[str, set[bool]] = {}
    usable: list[tuple[Candidate, str, str]] = []
    not_first = unsuitable = repeated = 0
    for one in sure:
        read = found[one.event_id]
        if read is None:
            continue
        if not read.is_first:
            not_first += 1
        elif not read.text.strip() or len(read.text) > MAX_TEXT_CHARS or not _is_writable(read.text):
            unsuitable += 1
        else:
            key = normalised(read.text)
            seen = labels.setdefault(key, set())
            repeated += bool(seen)
            if not seen:
                usable.append((one, read.text, key))
            seen.add(bool(one.is_safe))
    # the one that was kept of a text with both labels goes too
    both = [one for one in usable if len(labels[one[2]]) > 1]
    repeated += len(both)
    chosen = _balanced([(one, text) for one, text, key in usable if len(labels[key]) == 1], wanted // 2)
    return LiveSample(
        AnchorSet(
            texts=tuple(text for _, text in chosen),
            ids=tuple(_hash(f"{one.tenant}\x00{one.event_id}") for one, _ in chosen),
            labels=tuple("safe" if one.is_safe else "unsafe" for one, _ in chosen),
            clusters=tuple(one.cluster for one, _ in chosen),
            is_live=True,
        ),
        gone,
        not_first,
        repeated,
        unsuitable,
        unsure,
    )


def _balanced(usable: Sequence[tuple[Candidate, str]], each: int) -> list[tuple[Candidate, str]]:
    """As many of both classes, in the order given, a few of a conversation."""
    taken: dict[str, int] = {}
    by_label: dict[bool, list[tuple[Candidate, str]]] = {True: [], False: []}
    for one, text in usable:
        if taken.get(one.cluster, 0) < MOST_A_CONVERSATION:
            taken[one.cluster] = taken.get(one.cluster, 0) + 1
            by_label[bool(one.is_safe)].append((one, text))
    size = min(each, *(len(part) for part in by_label.values()))
    return [pair for part in by_label.values() for pair in part[:size]]


def _is_writable(text: str) -> bool:
    return not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in text)


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
