"""What is judged by code, whichever judge it is: the contacts of a response, and whether it is a template.

A field that is left open is its reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from monitor.judging.contacts import AllowList, Outcome
from monitor.judging.duplication import TemplateWindow
from monitor.judging.reasons import NotJudged
from schemas.judgements import CareDomain, JudgeRequest


@dataclass(frozen=True)
class ByCode:
    """Build one a process: the window remembers. `window` None: templates aren't judged."""

    allow_list: AllowList = field(default_factory=AllowList.load)
    window: TemplateWindow | None = field(default_factory=TemplateWindow)

    def contacts(self, request: JudgeRequest, domain: CareDomain | None) -> dict[str, int | NotJudged]:
        """The counts of verified, unverified and wrong-domain contacts."""
        if request.response is None:
            return {f"contacts_{outcome}": NotJudged.NO_RESPONSE for outcome in Outcome}
        counts = Counter(self.allow_list.check(request.response, domain).values())
        return {f"contacts_{outcome}": counts[outcome] for outcome in Outcome}

    def template(self, request: JudgeRequest, *, is_refusal: bool | NotJudged) -> bool | NotJudged:
        """Whether this refusal is near-identical to another of the same tenant and model. Idempotent by event."""
        if request.response is None:
            return NotJudged.NO_RESPONSE
        if isinstance(is_refusal, NotJudged):
            return NotJudged.DEPENDS
        if not is_refusal:
            return NotJudged.NOT_A_REFUSAL
        if self.window is None:
            return NotJudged.NO_WINDOW
        event = f"{request.tenant}\n{request.event_id}"
        found = self.window.is_template((request.tenant, request.model), event, request.response)
        return NotJudged.TOO_SHORT if found is None else found
