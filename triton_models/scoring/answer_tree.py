"""The answers a model can give, as a tree of tokens that is scored in one pass after the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triton_models.scoring.prompt_file import PromptFileError, Question
from triton_models.scoring.vocabulary import Vocabulary

PROMPT_END = -1
"""The place of the prompt's last token, from which the tree grows."""

Path = tuple[tuple[str, str], ...]
"""The answers given before: (question, option), first to last."""


@dataclass(frozen=True, slots=True)
class Read:
    """A place where the model's next token is looked at: after `node`, among `tokens`."""

    node: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """One question after one path of answers. `steps[i]` are the (read, choice) that spell option i, forced tokens left out."""

    question: str
    before: Path
    options: tuple[str, ...]
    steps: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True)
class AnswerTree:
    """Nodes in order, parents before children; `depth` counts from 0 for what follows the prompt directly.

    Only what a read depends on is a node: the tokens of a last answer needn't be run. `longest` is the length in
    tokens of the longest answer, all of it.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    reads: tuple[Read, ...]
    forks: tuple[Fork, ...]
    longest: int

    def __len__(self) -> int:
        return len(self.tokens)

    def sees(self) -> npt.NDArray[np.bool_]:
        """Shape (nodes, nodes): whether the row's node has the column's before it, or is it."""
        seen = np.eye(len(self), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent != PROMPT_END:
                seen[node] |= seen[parent]
        return seen


class _Growth:
    """The tree while it is built: a trie of token ids."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def grow(self, node: int, tokens: Sequence[int]) -> int:
        """The node at the end of these tokens after `node`."""
        for token in tokens:
            child = self._children.get((node, token))
            if child is None:
                child = self._children[node, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(node)
                self.depths.append(0 if node == PROMPT_END else self.depths[node] + 1)
            node = child
        return node


@dataclass(frozen=True, slots=True)
class _Answered:
    """Where a path of answers ends: its last node, and its text."""

    path: Path
    node: int
    text: str


def build(questions: Sequence[Question], vocabulary: Vocabulary, tail: str) -> AnswerTree:
    """The tree of these questions, after a prompt that ends in the plain text `tail`.

    Raises PromptFileError where the tokens of a lead or an option depend on their neighbours, or where one option's
    tokens begin another's.
    """
    growth = _Growth()
    reads: list[Read] = []
    forks: list[Fork] = []
    ends: dict[str, list[_Answered]] = {}
    asked = {question.name for question in questions}
    for question in questions:
        befores = [_Answered((), PROMPT_END, tail)]
        if question.follows is not None:
            if question.follows not in asked:
                raise PromptFileError(f"question {question.name!r} follows one that isn't asked here")
            befores = [
                end
                for end in ends[question.follows]
                if not question.after or end.path[-1][1] in question.after
            ]
        ends[question.name] = []
        for before in befores:
            fork, after = _fork(question, before, vocabulary, growth, reads)
            forks.append(fork)
            ends[question.name] += after
    return _pruned(growth, reads, forks)


def _fork(
    question: Question, before: _Answered, vocabulary: Vocabulary, growth: _Growth, reads: list[Read]
) -> tuple[Fork, list[_Answered]]:
    lead = _tokens(vocabulary, before.text, question.lead, question.name)
    start = growth.grow(before.node, lead)
    stem = before.text + question.lead
    spelt = {
        option: _tokens(vocabulary, stem, text, f"{question.name}: {option}")
        for option, text in question.options.items()
    }
    _check_apart(question.name, spelt)
    steps: dict[str, list[tuple[int, int]]] = {option: [] for option in spelt}
    waiting: list[tuple[int, int, list[str]]] = [(start, 0, list(spelt))]
    while waiting:
        node, at, options = waiting.pop()
        choices = list(dict.fromkeys(spelt[option][at] for option in options))
        if len(choices) > 1:
            for option in options:
                steps[option].append((len(reads), choices.index(spelt[option][at])))
            reads.append(Read(node, tuple(choices)))
        for token in choices:
            same = [option for option in options if spelt[option][at] == token]
            if len(same) > 1:
                waiting.append((growth.grow(node, [token]), at + 1, same))
    after = [
        _Answered(
            (*before.path, (question.name, option)),
            growth.grow(start, spelt[option]),
            stem + question.options[option],
        )
        for option in spelt
    ]
    fork = Fork(question.name, before.path, tuple(spelt), tuple(tuple(steps[option]) for option in spelt))
    return fork, after


def _tokens(vocabulary: Vocabulary, before: str, text: str, where: str) -> list[int]:
    """The tokens that `text` adds to what stands before. Raises PromptFileError where it would change those."""
    stem, whole = vocabulary.encode(before)[0], vocabulary.encode(before + text)[0]
    if whole[: len(stem)] != stem:
        raise PromptFileError(
            f"{where}: the tokens of {text!r} depend on what stands before; let an option begin with the space or "
            "newline that parts it from its lead"
        )
    return whole[len(stem) :]


def _check_apart(question: str, spelt: dict[str, list[int]]) -> None:
    for option, tokens in spelt.items():
        for other, longer in spelt.items():
            if other != option and longer[: len(tokens)] == tokens:
                raise PromptFileError(
                    f"question {question!r}: the tokens of {option!r} begin those of {other!r}; end both with what the "
                    "model writes next"
                )


def _pruned(growth: _Growth, reads: list[Read], forks: list[Fork]) -> AnswerTree:
    """Without the nodes that no read depends on."""
    needed: set[int] = set()
    for read in reads:
        node = read.node
        while node != PROMPT_END and node not in needed:
            needed.add(node)
            node = growth.parents[node]
    order = sorted(needed)
    place = {node: at for at, node in enumerate(order)} | {PROMPT_END: PROMPT_END}
    return AnswerTree(
        tokens=tuple(growth.tokens[node] for node in order),
        parents=tuple(place[growth.parents[node]] for node in order),
        depths=tuple(growth.depths[node] for node in order),
        reads=tuple(Read(place[read.node], read.tokens) for read in reads),
        forks=tuple(forks),
        longest=max(growth.depths, default=-1) + 1,
    )
