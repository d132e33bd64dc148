"""Secrets of channels: the file names where each is, never what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from monitor.errors import Misconfigured

LONGEST: Final = 65_536
"""Bytes of a file with a secret: a longer one is no secret."""

_SHAPE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+")


def is_reference(value: str) -> bool:
    """Whether it is `env:NAME` or `file:/path`."""
    return _SHAPE.fullmatch(value) is not None


def _reference(value: str) -> str:
    if not is_reference(value):
        raise ValueError(
            "must say where the secret is, env:NAME or file:/path, and never be the secret itself"
        )
    return value


Reference = Annotated[str, AfterValidator(_reference)]
"""`env:NAME` or `file:/path`."""


@dataclass(frozen=True)
class Secrets:
    """Looks secrets up, each time anew, so that one that is changed in its file counts at once."""

    environ: Mapping[str, str] = field(repr=False)

    def look_up(self, reference: str) -> str:
        """The secret, without white space around it. Raises Misconfigured, which names the reference alone."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            secret = self.environ.get(name, "").strip()
        else:
            secret = _in_file(name, reference)
        if not secret:
            raise Misconfigured(f"there is no secret in {reference}", "set it, or correct the channels file")
        if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in secret):
            raise Misconfigured(
                f"the secret in {reference} has a control character in it", "write it on one line"
            )
        return secret


def _in_file(path: str, reference: str) -> str:
    try:
        with Path(path).open("rb") as file:
            held = file.read(LONGEST + 1)
    except OSError as exc:
        raise Misconfigured(
            f"the secret in {reference} can't be read: {exc.strerror or type(exc).__name__}",
            "let the worker's user read it, or correct the channels file",
        ) from exc
    if len(held) > LONGEST:
        raise Misconfigured(
            f"{reference} holds more than {LONGEST:,} bytes, which is no secret", "name another file"
        )
    try:
        return held.decode().strip()
    except UnicodeDecodeError:
        raise Misconfigured(f"the secret in {reference} is no text", "write it as UTF-8") from None
