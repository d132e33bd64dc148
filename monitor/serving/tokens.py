"""The refusal tokens of a served model, by name and by id in its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from monitor.errors import Misconfigured
from monitor.recalibration.records import Serving


class Tokenizer(Protocol):
    """What is used of a tokenizer (those of transformers have it)."""

    def encode(self, text: str, /, *, add_special_tokens: bool) -> list[int]: ...

    def get_vocab(self) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Served:
    """The model that is served here. `refusal_ids`: ids of `serving.refusals`, in their order.

    `temperature`: what logits are divided by for the log-sum-exp that is logged while no calibration is in force (one in
    force brings its own). `randomised`: share of the requests, 0 to 0.5, whose token is the other one than the rule says;
    `seed`: decides with the request's id which; kept secret, so that nobody can choose an id to be one of them.
    """

    fleet: str
    serving: Serving
    refusal_ids: tuple[int, ...]
    respond_id: int
    temperature: float = 1.0
    randomised: float = 0.0
    seed: bytes = b""

    def __post_init__(self) -> None:
        """Raise Misconfigured for ids that aren't one a token, or numbers out of their range."""
        ids = (*self.refusal_ids, self.respond_id)
        if len(self.refusal_ids) != len(self.serving.refusals) or len(set(ids)) != len(ids) or min(ids) < 0:
            raise Misconfigured("refusal tokens need an id each, and no two the same")
        if not 0 <= self.randomised <= 0.5:
            raise Misconfigured(
                "randomised is a share of at most 0.5: above it the rule would be the exception"
            )
        if not 0 < self.temperature < float("inf"):
            raise Misconfigured("the temperature that logits are logged at is a positive number")

    @property
    def ids(self) -> tuple[int, ...]:
        """Of the refusal tokens in their order, then of the respond token."""
        return (*self.refusal_ids, self.respond_id)

    def name_of(self, token_id: int) -> str | None:
        """The name of a refusal token or the respond token; None for any other."""
        ids = self.ids
        return (
            (*self.serving.refusals, self.serving.respond)[ids.index(token_id)] if token_id in ids else None
        )


def id_of(tokenizer: Tokenizer, name: str) -> int:
    """The one id of a token: with a leading space, as it was trained, else without.

    Raises Misconfigured where the tokenizer doesn't know it, or makes several tokens of it.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    pieces = []
    for text in (f" {name}", name):
        found = list(tokenizer.encode(text, add_special_tokens=False))
        if len(found) == 1 and found[0] != unknown:
            return int(found[0])
        pieces.append(found)
    if all(piece == unknown for found in pieces for piece in found):
        raise Misconfigured(
            f"the tokenizer has no token {name!r}",
            "name the tokens that the model was trained with, and its own tokenizer",
        )
    raise Misconfigured(
        f"the tokenizer makes {min(len(found) for found in pieces)} tokens of {name!r}: no threshold can decide about it",
        "the model has to be trained with it as one added token",
    )


def ids_of(tokenizer: Tokenizer, serving: Serving) -> dict[str, Any]:
    """`refusal_ids` and `respond_id` for `Served`. Raises Misconfigured as `id_of` does."""
    return {
        "refusal_ids": tuple(id_of(tokenizer, name) for name in serving.refusals),
        "respond_id": id_of(tokenizer, serving.respond),
    }
