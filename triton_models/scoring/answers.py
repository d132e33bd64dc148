"""What a model answered: probabilities of the branches of an answer tree, joint, marginal and greedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triton_models.scoring.answer_tree import Fork, Path


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one exchange. `choices[read][k]` is the log-probability of choice k there, among that read's tokens."""

    forks: tuple[Fork, ...]
    choices: tuple[tuple[float, ...], ...]
    is_truncated: bool

    def log_probabilities(self, fork: Fork) -> dict[str, float]:
        """Of each option of a question, given the answers before."""
        return {
            option: sum(self.choices[read][choice] for read, choice in steps)
            for option, steps in zip(fork.options, fork.steps, strict=True)
        }

    def joint(self) -> dict[Path, float]:
        """The probability of every path of answers: of each question with all that stands before it."""
        found: dict[Path, float] = {(): 1.0}
        for fork in self.forks:
            for option, value in self.log_probabilities(fork).items():
                found[*fork.before, (fork.question, option)] = found[fork.before] * math.exp(value)
        del found[()]
        return found

    def marginals(self) -> dict[str, dict[str, float]]:
        """The probability of every option of every question, whatever was answered before; where a question is asked only
        after some answers, given that it is asked."""
        joint = self.joint()
        sums: dict[str, dict[str, float]] = {}
        for path, chance in joint.items():
            question, option = path[-1]
            options = sums.setdefault(question, {})
            options[option] = options.get(option, 0.0) + chance
        return {question: _normal(options) for question, options in sums.items()}

    def greedy(self) -> dict[str, str]:
        """What greedy decoding would write, token by token, held to the tree. A question that this path doesn't reach isn't
        in it."""
        best = [max(range(len(values)), key=values.__getitem__) for values in self.choices]
        answers: dict[str, str] = {}
        for fork in self.forks:
            if any(answers.get(question) != option for question, option in fork.before):
                continue
            for option, steps in zip(fork.options, fork.steps, strict=True):
                if all(best[read] == choice for read, choice in steps):
                    answers[fork.question] = option
        return answers


def merged(parts: Sequence[Mapping[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The marginals of an exchange's passes together: question names are unique in a file."""
    return {question: options for part in parts for question, options in part.items()}


def _normal(options: Mapping[str, float]) -> dict[str, float]:
    """Summing to one. All zero where the path there is impossible to a float: then nothing was said."""
    total = sum(options.values())
    return {option: chance / total if total > 0 else 0.0 for option, chance in options.items()}
