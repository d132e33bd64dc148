"""Options that choose among names: where the names are known, another one is a mistake; where they aren't, what matched nothing is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from monitor.errors import Misconfigured
from monitor.wording.visible import visible


def chosen(
    given: Sequence[str] | None,
    known: Iterable[str],
    *,
    option: str,
    what: str,
) -> frozenset[str]:
    """Those of `known` that `given` names, whatever the case of their letters; none where nothing is given. Raises Misconfigured
    with the nearest, and all there are."""
    names = list(known)
    found: set[str] = set()
    for text in given or ():
        name = text.strip().lower()
        if name not in names:
            close = get_close_matches(name, names, n=1, cutoff=0.7)
            meant = f"did you mean {close[0]}? " if close else ""
            raise Misconfigured(
                f"{option} {visible(text)!r} is no {what}",
                f"{meant}choose among {', '.join(names)}",
            )
        found.add(name)
    return frozenset(found)


def said(**names: Iterable[str]) -> str:
    """What was chosen, in words: `tenant acme, model a or b`; empty where nothing was."""
    parts = [f"{what} {' or '.join(sorted(values))}" for what, values in names.items() if values]
    return visible(", ".join(parts))
