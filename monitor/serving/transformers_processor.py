"""The rule as a logits processor of transformers' `generate`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from monitor.errors import Misconfigured
from monitor.serving.deciding import Decision, decide, written
from monitor.serving.position import Position
from monitor.serving.thresholds import InForce
from monitor.serving.torch_rows import force, see_rows
from schemas.refusal_tokens import RefusalToken

_BEHIND_PROMPT = Position()


class RefusalTokenProcessor(LogitsProcessor):
    """Writes the token that the rule in force says at the first position of each answer, and nowhere else. For one call of `generate`.

    request_ids: one a prompt, in the order of the batch; rows belong to prompts in equal runs, as `num_return_sequences` and
    `num_beams` make them. The rule is the one in force at the first step, for all of the call. Prompts are padded on the left;
    given `pad_token_id`, a prompt padded on the right is refused.

    It looks at what is generated alone, and keeps nothing between steps, so that greedy search, sampling, beam search (which hands it
    log-probabilities: the same but for a constant) and assisted decoding can all use it. The last of your processors: what
    another one does afterwards is told by the record, as the token written is read from the answer.

    Raises Misconfigured for batches that aren't those of the request ids, and where it is used for a second call.
    """

    def __init__(
        self,
        in_force: InForce,
        request_ids: Sequence[str],
        position: Position = _BEHIND_PROMPT,
        *,
        pad_token_id: int | None = None,
    ) -> None:
        self._served = in_force.served
        self._standing = in_force.standing
        self._ids = tuple(request_ids)
        self._position = position
        self._pad_token_id = pad_token_id
        self._prompt: int | None = None
        self._decisions: dict[tuple[int, tuple[int, ...]], Decision] = {}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """[rows, length] and [rows, vocabulary] to the same shape; `scores` itself stays as it is."""
        if not len(input_ids):
            return scores
        prompt = self._begin(input_ids) if self._prompt is None else self._prompt
        length = input_ids.shape[1]
        if length < prompt or len(input_ids) % len(self._ids):
            raise Misconfigured(
                "this refusal-token processor belongs to another call of generate", "make one for each call"
            )
        rows = self._due(input_ids, prompt)
        if not rows:
            return scores
        thresholds = self._standing.thresholds
        temperature = self._served.temperature if thresholds is None else thresholds.temperature
        each = len(input_ids) // len(self._ids)
        generated = input_ids[:, prompt:].tolist()
        chosen: list[tuple[int, int]] = []
        for row, seen in zip(rows, see_rows(scores[rows], self._served, temperature), strict=True):
            decision = decide(seen, self._standing, self._served, self._ids[row // each])
            self._decisions[row // each, tuple(generated[row])] = decision
            if decision.token_id is not None:
                chosen.append((row, decision.token_id))
        forced = scores.clone()
        force(forced, [row for row, _ in chosen], [token for _, token in chosen])
        return forced

    def records(self, sequences: torch.Tensor) -> tuple[RefusalToken | None, ...]:
        """One a sequence that `generate` returned, [prompts x sequences each, length], with the token that was written in fact.

        None for an answer that never began: its thinking didn't end, or nothing was generated.
        """
        if self._prompt is None:
            return (None,) * len(sequences)
        each = max(1, len(sequences) // len(self._ids))
        return tuple(
            self._record(row // each, generated)
            for row, generated in enumerate(sequences[:, self._prompt :].tolist())
        )

    def decisions(self) -> tuple[Decision, ...]:
        """All that were made in this call, in order; each with what the model was left to choose, and why."""
        return tuple(self._decisions.values())

    def _record(self, request: int, generated: list[int]) -> RefusalToken | None:
        for place in range(len(generated) + 1):
            decision = self._decisions.get((request, tuple(generated[:place])))
            if decision is not None:
                is_there = place < len(generated)
                return (
                    written(decision.record, self._served, generated[place]) if is_there else decision.record
                )
            if self._position.after_id is None and place >= self._position.prefix_tokens:
                return None
        return None

    def _begin(self, input_ids: torch.Tensor) -> int:
        if not self._ids or len(input_ids) % len(self._ids):
            raise Misconfigured(
                f"{len(input_ids)} rows for {len(self._ids)} request ids",
                "give one request id a prompt of the batch",
            )
        length: int = input_ids.shape[1]
        if self._pad_token_id is not None and length and bool((input_ids[:, -1] == self._pad_token_id).any()):
            raise Misconfigured(
                "a prompt ends with padding: its answer would begin behind the padding",
                "tokenize with padding_side='left'",
            )
        self._prompt = length
        return length

    def _due(self, input_ids: torch.Tensor, prompt: int) -> list[int]:
        """Rows whose next token is the first of the answer."""
        length = input_ids.shape[1]
        after, prefix = self._position.after_id, self._position.prefix_tokens
        if after is None:
            return list(range(len(input_ids))) if length == prompt + prefix else []
        place = length - 1 - prefix
        first = max(prompt - 1, 0)
        if place < first:
            return []
        is_after = input_ids[:, first : place + 1] == after
        due = is_after[:, -1] & ~is_after[:, :-1].any(dim=1)
        found: list[int] = due.nonzero().flatten().tolist()
        return found
