"""The choice scorer: the exact probabilities of all answers to a prompt file's questions, one forward pass a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from triton_models.scoring import tree_attention
from triton_models.scoring.answer_tree import PROMPT_END, build
from triton_models.scoring.answers import Answers, merged
from triton_models.scoring.batching import Load, load_of, plan
from triton_models.scoring.loading import Loaded, ModelError
from triton_models.scoring.prompt_file import Pass, PromptFile, PromptFileError
from triton_models.scoring.rendering import Rendered, Renderer
from triton_models.scoring.vocabulary import Vocabulary

Exchange = tuple[str, str | None]
"""A prompt and its response, None if there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget`: most tokens of a batch, padding included; `rows`: most exchanges of a batch. `has_prefix`: whether the prompt's
    fixed beginning is computed once and kept. `is_left`: padding on the left, which `tree` attention can't."""

    budget: int = 16_384
    rows: int = 256
    has_prefix: bool = True
    is_left: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """One exchange's marginals, question by question, and whether its texts were cut. `error`: why there are none."""

    questions: dict[str, dict[str, float]]
    is_truncated: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """One prompt to run."""

    exchange: int
    rendered: Rendered


class PassScorer:
    """One pass of a prompt file, with or without its questions about a response."""

    def __init__(
        self,
        file: PromptFile,
        one: Pass,
        loaded: Loaded,
        vocabulary: Vocabulary,
        *,
        questions: Sequence[str],
        limits: Limits,
    ) -> None:
        """`questions`: those asked, by name, in the file's order. Raises PromptFileError."""
        asked = [question for question in one.questions if question.name in questions]
        tail = Renderer(file, one, vocabulary, answer_tokens=0).tail
        self.tree = build(asked, vocabulary, tail)
        self.renderer = Renderer(file, one, vocabulary, answer_tokens=self.tree.longest)
        self._loaded = loaded
        self._limits = limits
        self._prefix = self.renderer.prefix if limits.has_prefix else ()
        self._vocabulary = vocabulary
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] | None = None
        device = loaded.device
        self._tokens = torch.tensor(self.tree.tokens, dtype=torch.long, device=device)
        self._depths = torch.tensor(self.tree.depths, dtype=torch.long, device=device)
        self._sees = torch.from_numpy(self.tree.sees()).to(device)
        self._rows = sorted({token for read in self.tree.reads for token in read.tokens})
        self._head = _Head(loaded.model, torch.tensor(self._rows, device=device))

    def length(self, rendered: Rendered) -> int:
        """Tokens that a prompt costs to compute."""
        return len(rendered.ids) - len(self._prefix) + len(self.tree)

    @torch.inference_mode()
    def run(self, batch: Sequence[Rendered]) -> list[Answers]:
        """The answers to these prompts in one forward pass."""
        prefix = self._prefix
        if any(row.ids[: len(prefix)] != prefix for row in batch):
            prefix = ()
        device, left = self._loaded.device, self._limits.is_left
        width = max(len(row.ids) for row in batch)
        ids = np.zeros((len(batch), width - len(prefix)), dtype=np.int64)
        positions = np.zeros_like(ids)
        for at, row in enumerate(batch):
            new = len(row.ids) - len(prefix)
            place = slice(ids.shape[1] - new, None) if left else slice(None, new)
            ids[at, place] = row.ids[len(prefix) :]
            positions[at, place] = np.arange(len(prefix), len(row.ids))
        lengths = torch.tensor([len(row.ids) for row in batch], device=device)
        tree = self._tokens.expand(len(batch), -1)
        hidden = self._forward(
            torch.cat([torch.from_numpy(ids).to(device), tree], dim=1),
            torch.cat([torch.from_numpy(positions).to(device), lengths[:, None] + self._depths], dim=1),
            lengths,
            width=width,
            prefix=prefix,
        )
        last = torch.full_like(lengths, ids.shape[1] - 1) if left else lengths - len(prefix) - 1
        return self._answers(hidden, last, ids.shape[1], batch)

    def _forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        lengths: torch.Tensor,
        *,
        width: int,
        prefix: Sequence[int],
    ) -> torch.Tensor:
        """The last hidden states."""
        is_tree = self._loaded.attention == "tree"
        masked = tree_attention.tree_mask if is_tree else tree_attention.whole_mask
        mask = masked(
            lengths,
            self._sees,
            width=width,
            cached=len(prefix),
            left=self._limits.is_left,
            dtype=self._head.dtype,
        )
        cache = self._cache(prefix, len(ids))
        found = self._loaded.model.base_model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        states: torch.Tensor = found.last_hidden_state
        return states

    def _cache(self, prefix: Sequence[int], rows: int) -> Any:
        """The keys and values of the shared beginning, for so many rows; computed at the first call and kept."""
        if not prefix:
            return None
        from transformers import DynamicCache

        if self._kept is None:
            cache = DynamicCache()
            ids = torch.tensor([prefix], device=self._loaded.device)
            mask = None
            if (
                self._loaded.attention == "tree"
            ):  # no tree here, and a mask that says so: transformers would make one
                mask = torch.zeros(1, 1, 0, len(prefix), device=ids.device)
            self._loaded.model.base_model(
                input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True
            )
            layers: list[Any] = list(cache.layers)
            self._kept = [(layer.keys, layer.values) for layer in layers]
        return DynamicCache(
            [(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in self._kept]
        )

    def _answers(
        self, hidden: torch.Tensor, last: torch.Tensor, width: int, batch: Sequence[Rendered]
    ) -> list[Answers]:
        nodes = [read.node for read in self.tree.reads]
        places = torch.stack(
            [last if node == PROMPT_END else torch.full_like(last, width + node) for node in nodes], dim=1
        )
        logits = self._head(hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1])))
        where = {token: at for at, token in enumerate(self._rows)}
        columns: list[list[list[float]]] = []
        for at, read in enumerate(self.tree.reads):
            chosen = logits[:, at, [where[token] for token in read.tokens]]
            columns.append(chosen.log_softmax(dim=-1).cpu().tolist())
        return [
            Answers(self.tree.forks, tuple(tuple(column[at]) for column in columns), row.is_truncated)
            for at, row in enumerate(batch)
        ]


class _Head:
    """The rows of the output layer that are read, in float32, with what the architecture does to its logits."""

    def __init__(self, model: Any, rows: torch.Tensor) -> None:
        layer, config = model.get_output_embeddings(), model.config
        self.dtype: torch.dtype = layer.weight.dtype
        self._weight = layer.weight[rows].float().T.contiguous()
        bias = getattr(layer, "bias", None)
        self._bias = None if bias is None else bias[rows].float()
        self._divisor = float(getattr(config, "logits_scaling", None) or 1.0)  # Granite
        self._cap = getattr(config, "final_logit_softcapping", None)  # Gemma 2

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = hidden.float() @ self._weight
        if self._bias is not None:
            logits = logits + self._bias
        logits = logits / self._divisor
        if self._cap is not None:
            logits = torch.tanh(logits / self._cap) * self._cap
        return logits


class Scorer:
    """All passes of one prompt file on one model. For use from one thread."""

    def __init__(self, file: PromptFile, loaded: Loaded, limits: Limits | None = None) -> None:
        """Raises PromptFileError where the file doesn't fit the model's vocabulary."""
        limits = limits or Limits()
        if limits.is_left and loaded.attention == "tree":
            raise ModelError(
                "tree attention pads on the right; take attention 'sdpa' or 'eager' for the left"
            )
        self.file = file
        self.version = loaded.version
        self._loaded = loaded
        self._limits = limits
        vocabulary = Vocabulary(loaded.tokenizer)
        self._passes: dict[bool, list[PassScorer]] = {}
        for has_response in (False, True):
            self._passes[has_response] = [
                PassScorer(file, one, loaded, vocabulary, questions=names, limits=limits)
                for one in file.passes
                if has_response or not one.needs_response
                if (names := [q.name for q in one.questions if has_response or not q.needs_response])
            ]
        if not any(self._passes.values()):
            raise PromptFileError("no question can be asked")
        self.load = Load()

    @property
    def model(self) -> Any:
        """The model that is run."""
        return self._loaded.model

    def passes(self, *, has_response: bool) -> Sequence[PassScorer]:
        """What is run for an exchange with or without a response."""
        return self._passes[has_response]

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        """All answers, in order."""
        found: dict[int, Scored] = dict(self.stream(exchanges))
        return [found[at] for at in range(len(exchanges))]

    def stream(
        self, exchanges: Sequence[Exchange], is_wanted: Callable[[int], bool] = lambda _: True
    ) -> Iterator[tuple[int, Scored]]:
        """Answers as they are ready, the short exchanges' first. Before each batch, exchanges that are no longer wanted are
        dropped; they get no answer. An exchange that alone fails gets an error; `load` then says what was computed."""
        self.load = Load()
        jobs: list[tuple[PassScorer, _Job]] = []
        missing: dict[int, int] = {}
        for at, (prompt, response) in enumerate(exchanges):
            for one in self._passes[response is not None]:
                jobs.append((one, _Job(at, one.renderer.render(prompt, response))))
                missing[at] = missing.get(at, 0) + 1
            if at not in missing:
                yield at, Scored({}, is_truncated=False)
        parts: dict[int, list[tuple[dict[str, dict[str, float]], bool]]] = {}
        failed: dict[int, str] = {}
        for one, batch in self._batches(jobs):
            wanted = [job for job in batch if is_wanted(job.exchange)]
            for job, answers in zip(wanted, self._run(one, wanted), strict=True):
                if isinstance(answers, str):
                    failed[job.exchange] = answers
                else:
                    found = (answers.marginals(), answers.is_truncated)
                    parts.setdefault(job.exchange, []).append(found)
                missing[job.exchange] -= 1
                if not missing[job.exchange]:
                    done = parts.pop(job.exchange, [])
                    yield (
                        job.exchange,
                        Scored(
                            merged([questions for questions, _ in done]),
                            any(is_truncated for _, is_truncated in done),
                            failed.get(job.exchange, ""),
                        ),
                    )

    def _batches(self, jobs: Sequence[tuple[PassScorer, _Job]]) -> Iterator[tuple[PassScorer, list[_Job]]]:
        """Batches of one pass each, over all passes the shortest first."""
        batches: list[tuple[int, PassScorer, list[_Job]]] = []
        for one in dict.fromkeys(scorer for scorer, _ in jobs):
            mine = [job for scorer, job in jobs if scorer is one]
            lengths = [one.length(job.rendered) for job in mine]
            planned = plan(lengths, budget=self._limits.budget, rows=self._limits.rows)
            self.load += load_of(lengths, planned)
            batches += [
                (lengths[indices[-1]], one, [mine[index] for index in indices]) for indices in planned
            ]
        for _, one, batch in sorted(batches, key=lambda entry: entry[0]):
            yield one, batch

    def _run(self, one: PassScorer, batch: Sequence[_Job]) -> list[Answers | str]:
        """The answers of a batch; where there is no memory for it, of its halves."""
        if not batch:
            return []
        try:
            return list(one.run([job.rendered for job in batch]))
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                return ["out of memory for this exchange alone; lower max_tokens"]
            torch.cuda.empty_cache()
            middle = len(batch) // 2
            return [*self._run(one, batch[:middle]), *self._run(one, batch[middle:])]
