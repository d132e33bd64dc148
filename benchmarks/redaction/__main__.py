"""What an excerpt costs, against always running every pattern on the same text, and a content hash against blake2b.

    python -m benchmarks.redaction

Prints microseconds a text and the ratio; a plain 400-character text must stay at 3 µs or less.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

from pydantic import SecretStr

from monitor import secret_shapes
from monitor.redaction import MARGIN, Redactor
from monitor.settings import PrivacySettings

LIMIT_US: Final = 3.0
PLAIN: Final = (
    "Could you explain how sourdough starters work, and why mine smells of vinegar after a week in the fridge? I feed "
    "it with rye flour on most evenings, keep it in a glass jar with a loose lid, and bake on weekends. The crumb is "
    "fine, but the crust stays pale and the loaf spreads sideways in the oven. Should the dough be colder, or is the "
    "flour too weak for such a long rise? Please answer in plain words, I am a beginner."
)


def texts() -> dict[str, str]:
    """The kinds of text a chat log holds, and the worst."""
    return {
        "plain, 400 characters": PLAIN[:400],
        "with line breaks": PLAIN[:400].replace(". ", ".\n\n"),
        "with accents and dashes": PLAIN[:400].replace("flour", "fleur d’été —"),
        "with a year": PLAIN[:60] + " in 2024 " + PLAIN[60:390],
        "Chinese": "请问为什么我的酸面团放在冰箱里一周之后闻起来像醋呢我每天晚上都会喂它" * 12,
        "with an e-mail address": PLAIN[:60] + " jane.doe@example.com " + PLAIN[60:380],
        "with a card": PLAIN[:60] + " 4111 1111 1111 1111 " + PLAIN[60:380],
        "10 MB of digits": "9 " * 5_000_000,
    }


def every_pattern(text: str) -> None:
    """The peer: the same window, all patterns, no look ahead of them."""
    head = text[: 160 + MARGIN].translate(secret_shapes.FOLDED)
    for pattern in secret_shapes.PATTERNS:
        for _ in pattern.finditer(head):
            pass


def microseconds(call: Callable[[], object]) -> float:
    """The best of five rounds: others share the machine."""
    timer = timeit.Timer(call)
    number = max(1, timer.autorange()[0] // 4)
    return min(timer.repeat(5, number)) / number * 1e6


def main() -> None:
    """Print the table. Exits 1 where the plain text costs more than its limit."""
    redactor = Redactor(PrivacySettings(hash_key=SecretStr("key")))
    plain_us = 0.0
    print(f"{'text':<26}{'excerpt µs':>12}{'all patterns µs':>17}{'ratio':>8}")
    for name, text in texts().items():
        excerpt = microseconds(partial(redactor.excerpt, text))
        peer = microseconds(partial(every_pattern, text))
        plain_us = plain_us or excerpt
        print(f"{name:<26}{excerpt:>12.2f}{peer:>17.2f}{excerpt / peer:>8.3f}")
    data = PLAIN.encode()
    hashed = microseconds(lambda: redactor.content_hash(PLAIN, PLAIN))
    bare = microseconds(lambda: blake2b(data + data, digest_size=16, key=b"key").hexdigest())
    print(
        f"{'content hash, 2 × 400':<26}{hashed:>12.2f}{bare:>17.2f}{hashed / bare:>8.3f}  (peer: blake2b alone)"
    )
    if plain_us > LIMIT_US:
        raise SystemExit(f"a plain text costs {plain_us:.2f} µs, more than {LIMIT_US:.0f} µs")


if __name__ == "__main__":
    main()
