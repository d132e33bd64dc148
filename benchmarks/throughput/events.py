"""The chat logs that every runner reads: 800-byte OpenAI records, the same for all, all distinct."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final

EVENT_BYTES: Final = 800
_WORDS: Final = [
    "please",
    "explain",
    "how",
    "the",
    "model",
    "answers",
    "a",
    "question",
    "about",
    "travel",
    "cooking",
    "code",
    "history",
    "music",
    "health",
    "garden",
    "weather",
    "train",
    "ticket",
    "invoice",
    "contract",
    "pasta",
    "python",
    "database",
    "email",
    "meeting",
    "summary",
    "lesson",
    "budget",
]


def chat_logs(count: int, seed: int = 7) -> Iterator[bytes]:
    """`count` records of about EVENT_BYTES bytes each, with ids event-0, event-1, ..."""
    rng = random.Random(seed)
    for number in range(count):
        record = {
            "id": f"event-{number}",
            "created": 1_741_000_000 + number // 100,
            "model": "gpt-4o-mini",
            "request": {
                "model": "gpt-4o-mini",
                "messages": [
                    {"role": "system", "content": "You are a helpful assistant."},
                    {"role": "user", "content": " ".join(rng.choices(_WORDS, k=28))},
                ],
            },
            "response": {
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": ""},
                        "finish_reason": "stop",
                    }
                ]
            },
            "metadata": {"tenant": "acme", "conversation_id": f"c{number // 4}"},
        }
        message = record["response"]["choices"][0]["message"]  # type: ignore[index]  # a literal just above
        room = EVENT_BYTES - len(json.dumps(record))
        message["content"] = " ".join(rng.choices(_WORDS, k=60))[: max(1, room)]
        yield json.dumps(record).encode()
