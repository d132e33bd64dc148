"""What a vLLM V1 logits processor does, without vLLM: the batch's rows as they come, go and move, and what is written in each.

Facts of the interface (vLLM's documents on custom logits processors, V1 model runner; not run against vLLM here): before each step
`update_state` gets what changed, to be done in the order removed, added, moved, where an added or moved request may take the
place of another; `output_tok_ids` of an added request is the list that the engine appends to; then `apply` gets the logits, a row a
request. A prompt that is prefilled in parts has a row in each part's step, whose token is thrown away: so what was decided is only
settled once a token stands at its place. A request that was preempted is removed, and added again with what it had written.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch

from monitor.serving.deciding import Decision, Fallback, decide, written
from monitor.serving.position import Position
from monitor.serving.record_log import Records
from monitor.serving.thresholds import InForce
from monitor.serving.torch_rows import force, see_rows

ARGUMENT: Final = "refusal_token_request_id"
"""The one argument of a request (`vllm_xargs`): the id that its record is written under. Nothing that a client could switch the
rule off with: clients send these arguments."""
LONGEST_ID: Final = 256
_log: Final = logging.getLogger("watchkeeper.serving")


class BatchUpdate(Protocol):
    """vLLM's, as far as it is used here."""

    @property
    def removed(self) -> Sequence[int]: ...

    @property
    def added(self) -> Sequence[tuple[int, Any, list[int] | None, list[int]]]: ...

    @property
    def moved(self) -> Sequence[tuple[int, int, Any]]: ...


@dataclass(slots=True)
class Row:
    """A request in the batch. `place`: of the token in `output` that `pending` decided about, and that may not be written yet.
    `scanned`: how much of the output was searched for the end of thinking; `after_at`: where that is."""

    request_id: str
    ends_with_after: bool
    output: list[int]
    place: int | None = None
    pending: Decision | None = None
    scanned: int = 0
    after_at: int | None = None


class Rows:
    """The batch. Not for several threads: vLLM calls it between steps."""

    def __init__(self, in_force: InForce, position: Position, records: Records | None) -> None:
        self._in_force = in_force
        self._position = position
        self._records = records
        self._rows: dict[int, Row] = {}
        self._fallbacks: dict[Fallback, int] = {}
        self._is_blind = False

    def update(self, change: BatchUpdate | None) -> None:
        """Before each step: settle what has been written, then take what changed."""
        for row in self._rows.values():
            self._settle(row)
        if change is None:
            return
        for index in change.removed:
            self._rows.pop(index, None)
        for index, params, prompt, output in change.added:
            self._rows[index] = self._new(params, prompt, output)
        for source, target, direction in change.moved:
            moving, other = self._rows.pop(source, None), self._rows.pop(target, None)
            if moving is not None:
                self._rows[target] = moving
            if other is not None and direction.name == "SWAP":
                self._rows[source] = other

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """[requests, vocabulary], changed in place where an answer begins."""
        due = [index for index, row in self._rows.items() if index < len(logits) and self._is_due(row)]
        if not due:
            return logits
        standing, served = self._in_force.standing, self._in_force.served
        temperature = served.temperature if standing.thresholds is None else standing.thresholds.temperature
        chosen: list[tuple[int, int]] = []
        for index, seen in zip(due, see_rows(logits[due], served, temperature), strict=True):
            row = self._rows[index]
            row.place = len(row.output)
            row.pending = decide(seen, standing, served, row.request_id)
            if row.pending.token_id is not None:
                chosen.append((index, row.pending.token_id))
            elif row.pending.fallback is Fallback.NOT_FINITE:
                self._count(Fallback.NOT_FINITE)
        force(logits, [index for index, _ in chosen], [token for _, token in chosen])
        return logits

    def _new(self, params: Any, prompt: list[int] | None, output: list[int]) -> Row:
        given = (getattr(params, "extra_args", None) or {}).get(ARGUMENT)
        ends = bool(prompt) and prompt is not None and prompt[-1] == self._position.after_id
        return Row(str(given) if given else uuid.uuid4().hex, ends, output)

    def _is_due(self, row: Row) -> bool:
        """Never for one that was preempted after its answer began: it comes back with what it had written."""
        return self._begins_at(row) == len(row.output)

    def _begins_at(self, row: Row) -> int | None:
        """Where in the output the answer begins, or will; None where that isn't known yet."""
        after, prefix = self._position.after_id, self._position.prefix_tokens
        if after is None or row.ends_with_after:
            return prefix
        while row.after_at is None and row.scanned < len(row.output):
            token = row.output[row.scanned]
            if token < 0:  # written, and not told yet
                self._tell_blind(len(row.output) - row.scanned)
                break
            if token == after:
                row.after_at = row.scanned
            row.scanned += 1
        return None if row.after_at is None else row.after_at + 1 + prefix

    def _tell_blind(self, untold: int) -> None:
        """The newest token may come a step late; one before it never will."""
        if untold > 1 and not self._is_blind:
            self._is_blind = True
            _log.error(
                "refusal tokens: vLLM doesn't tell which tokens were written, so that the end of thinking can't be seen: "
                "load the processor by --logits-processors, or turn asynchronous scheduling off"
            )

    def _settle(self, row: Row) -> None:
        """Once a token stands where it was decided about, the record is whole."""
        if row.pending is None or row.place is None or len(row.output) <= row.place:
            return
        decision, token = row.pending, row.output[row.place]
        row.pending = None
        if self._records is not None:
            told = decision.record if token < 0 else written(decision.record, self._in_force.served, token)
            self._records(row.request_id, told)

    def _count(self, fallback: Fallback) -> None:
        count = self._fallbacks[fallback] = self._fallbacks.get(fallback, 0) + 1
        if count & (count - 1) == 0:  # at 1, 2, 4, 8, ...
            _log.error("refusal tokens: %d answers without a rule: %s", count, fallback.meaning)


def check_arguments(extra_args: dict[str, Any] | None) -> None:
    """Of a request. Raises ValueError, which vLLM makes a refusal of the request."""
    given = (extra_args or {}).get(ARGUMENT)
    if given is not None and not (
        isinstance(given, str) and 0 < len(given) <= LONGEST_ID and given.isprintable()
    ):
        raise ValueError(f"{ARGUMENT}: expected a text of 1 to {LONGEST_ID} characters that can be seen")
