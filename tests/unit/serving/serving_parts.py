"""A served model, its tokenizer and signed calibrations for it, to be varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.recalibration.records import Serving
from monitor.recalibration.signing import sign
from monitor.serving.thresholds import NOTHING, InForce, Standing
from monitor.serving.tokens import Served
from schemas.calibrations import Calibration, Thresholds
from schemas.refusal_tokens import CATEGORY_TOKENS, REFUSE
from tests.unit.recalibration.calibrations import a_calibration
from tests.unit.recalibration.logs import thresholds

SECRET = b"a secret of more than sixteen bytes"
SECRETS = {"main": SECRET}
FIVE = CATEGORY_TOKENS


def served(refusals: tuple[str, ...] = (REFUSE,), **fields: Any) -> Served:
    """Ids 1, 2, ... for the refusal tokens, then one for the respond token; 0 and what follows are other tokens."""
    last = len(refusals) + 1
    whole: dict[str, Any] = {
        "fleet": "watchkeeper",
        "serving": Serving("m", "tok", "tpl", refusals),
        "refusal_ids": tuple(range(1, last)),
        "respond_id": last,
    }
    return Served(**(whole | fields))


def standing(found: Thresholds | None, version: int = 3) -> Standing:
    """These thresholds in force."""
    return NOTHING if found is None else Standing(a_calibration(), found, None, version)


def published(now: Thresholds | None = None, **fields: Any) -> Calibration:
    """Version 3 in force: the single rule at 0.3, nothing before it."""
    whole: dict[str, Any] = {"state": "published", "now": now or thresholds("single", 0.3), "before": None}
    return msgspec.structs.replace(a_calibration(), **(whole | fields))


def signed(calibration: Calibration, *, secret: bytes = SECRET, key_id: str = "main") -> bytes:
    """As it travels."""
    return sign(calibration, key_id, secret).to_bytes()


def held(found: Thresholds | None, of: Served | None = None) -> InForce:
    """What holds these thresholds."""
    in_force = InForce(of or served(), SECRETS)
    if found is not None:
        assert in_force.offer(signed(published(found)))
    return in_force


class Words:
    """A tokenizer of whole words: a word is one token if it is in the vocabulary, with a leading space or without; else its
    letters are."""

    def __init__(self, vocabulary: Mapping[str, int], *, chat_template: str | None = None) -> None:
        self.vocabulary = dict(vocabulary)
        self.unk_token_id = 0
        self.chat_template = chat_template

    def encode(self, text: str, /, *, add_special_tokens: bool) -> list[int]:
        if text in self.vocabulary:
            return [self.vocabulary[text]]
        return [self.vocabulary.get(letter, 0) for letter in text]

    def get_vocab(self) -> dict[str, int]:
        return dict(self.vocabulary)
