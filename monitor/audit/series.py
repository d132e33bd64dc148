"""Which audits can be compared: pure. What is asked of the probe, and the series that an audit belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from monitor.audit.ports import ProbeFacts
from monitor.errors import Misconfigured
from schemas.audits import MAX_LAYERS

ALL: Final = "all"
_EVERY: Final = re.compile(r"^every (\d{1,4})$")
_WORDS: Final = {
    "probe": "the probe's name",
    "anchors": "the anchors",
    "layers": "the layers",
    "dimensions": "the dimensions",
    "token_pooling": "the pooling of tokens",
    "template": "the use of the chat template",
    "projection": "the projection",
    "tokenizer_hash": "the tokenizer",
    "template_hash": "the chat template",
    "max_tokens": "the longest text",
    "dtype": "the precision",
    "poolings": "the pooling of layers",
    "draws": "the number of draws",
    "seed": "the seed",
    "beginning": "what was kept, which can't be read",
}


def target_of(model: str, anchor_set: str) -> str:
    """16 hexadecimal digits that name a model on an anchor set."""
    return _digest([model, anchor_set])


def chosen_layers(setting: str, available: Sequence[str]) -> tuple[str, ...]:
    """Of the probe's layers, in its order. Raises Misconfigured for names that it lacks and for too many."""
    remedy = "correct WATCHKEEPER_AUDIT__LAYERS: all, `every 4`, or names separated by commas"
    every = _EVERY.match(" ".join(setting.split()))
    if setting.strip() == ALL:
        found = tuple(available)
    elif every is not None and int(every.group(1)):
        step = int(every.group(1))
        found = tuple(
            name for place, name in enumerate(available) if place % step == 0 or place == len(available) - 1
        )
    else:
        wanted = {part.strip() for part in setting.split(",") if part.strip()}
        missing = len(wanted - set(available))
        if missing or not wanted:
            raise Misconfigured(f"{missing} of {len(wanted)} layers to audit are none of the probe's", remedy)
        found = tuple(name for name in available if name in wanted)
    if not found or len(found) > MAX_LAYERS:
        raise Misconfigured(f"{len(found)} layers to audit; at least 1, at most {MAX_LAYERS}", remedy)
    return found


def parts_of(
    facts: ProbeFacts,
    layers: Sequence[str],
    *,
    anchors: str,
    poolings: Sequence[str],
    draws: int,
    seed: int,
    beginning: int,
) -> dict[str, str]:
    """All that two audits must have in common to be compared. Not the weights (`facts.version`): how they change what is inside is what is
    asked. `anchors`: their digest, or "live". `beginning`: how often a series had to begin because what was kept was lost."""
    return {
        "probe": facts.model,
        "anchors": anchors,
        "layers": _digest(list(layers)),
        "dimensions": str(facts.dimensions),
        "token_pooling": facts.pooling,
        "template": facts.template,
        "projection": facts.projection,
        "tokenizer_hash": facts.tokenizer_hash,
        "template_hash": facts.template_hash,
        "max_tokens": str(facts.max_tokens),
        "dtype": facts.dtype,
        "poolings": ",".join(poolings),
        "draws": str(draws),
        "seed": str(seed),
        "beginning": str(beginning),
    }


def series_of(target: str, parts: Mapping[str, str]) -> str:
    """16 hexadecimal digits that name the series."""
    return _digest([target, *sorted(parts.items())])


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """In words, what is another: in the order of a sentence."""
    return [words for part, words in _WORDS.items() if before.get(part) != after.get(part)]


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]
