"""What a record's `tokenizer_hash` and `template_hash` are: defined here, once.

Whoever serves computes them, and logs them with every record; the calibrator's policy names the same (`python -m monitor.serving
hashes TOKENIZER` prints them). Of what they do, and not of their files: so they are the same under every release of
the library that they are read with, and another one as soon as the ids or the text that a model sees would be others.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from monitor.errors import Misconfigured
from monitor.serving.tokens import Tokenizer

_ENCODER: Final = msgspec.json.Encoder()
PROBES: Final = (
    "The quick brown fox, it's 12:34 and 5.678e9!",
    "  two  spaces\tand\na line\r\n",
    "Füße, Ærø, naïve; ﬁne ½ ²",
    "Привет 你好 こんにちは مرحبا 🙂👩‍🚀",
    "def f(x):\n    return x != 0  # ok",
    "[INST] <s> </s> <|user|> [refuse]",
)
"""Texts whose ids tell merges, normalisation and the treatment of spaces and added tokens."""


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """SHA-256, 64 hexadecimal digits, over JSON: a purpose, the vocabulary with added tokens as [id, token] by id, and the ids
    of `PROBES` without special tokens."""
    vocabulary = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    probes = [list(tokenizer.encode(text, add_special_tokens=False)) for text in PROBES]
    return hashlib.sha256(_ENCODER.encode(["watchkeeper.tokenizer/1", vocabulary, probes])).hexdigest()


def template_hash(template: str | dict[str, str] | None) -> str:
    """SHA-256, 64 hexadecimal digits, over JSON: a purpose and the chat template's own text, as `tokenizer.chat_template` holds it.

    None, or an empty one, is that of prompts without a template. Raises Misconfigured for several templates by name.
    """
    if isinstance(template, dict):
        raise Misconfigured(
            f"the tokenizer has {len(template)} chat templates: {', '.join(sorted(template))}",
            "give the text of the one that prompts are made with",
        )
    return hashlib.sha256(_ENCODER.encode(["watchkeeper.template/1", template or ""])).hexdigest()
