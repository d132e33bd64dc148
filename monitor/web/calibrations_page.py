"""Calibrations of refusal tokens: what is in force and what it rests on; a person approves, or goes back to what was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.adapters.calibrations import CalibrationTopic
from monitor.adapters.kafka import KafkaOutbox
from monitor.adapters.kafka_admin import KafkaAdmin
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.recalibration.desk import approve, roll_back
from monitor.recalibration.keys import Keys, keys_of
from monitor.recalibration.life import in_force, version_in_force
from monitor.settings import Settings, variable
from monitor.web.asking import BadQueryError, number_of
from monitor.web.forms import form_of
from monitor.web.rendering import page, session_of
from monitor.web.site import Site, answered
from schemas.calibrations import Calibration, SignedCalibration

LISTED: Final = 400
MOST_REASON_CHARS: Final = 500
SAID: Final = {
    "approve": "Approved. The workers publish it within a minute; then it is in force and is observed.",
    "roll_back": "Rolled back: what was before it is in force again, as soon as the serving side reads it.",
}


@dataclass(frozen=True, slots=True)
class OfModel:
    """A model's versions, newest first. `live`: the version whose thresholds are in force, 0 for none."""

    model: str
    versions: Sequence[Calibration]
    live: int

    @property
    def newest(self) -> Calibration:
        """The one that a person can do something about."""
        return self.versions[0]

    @property
    def can_approve(self) -> bool:
        """Whether it waits for somebody."""
        return self.newest.state == "proposed"

    @property
    def can_roll_back(self) -> bool:
        """Whether there is something to go back from."""
        return self.newest.state != "rolled_back"


def keys_or_why(settings: Settings) -> tuple[Keys | None, str]:
    """The secret that records are signed with; or why there is none."""
    try:
        keys = keys_of(settings.recalibration)
    except Misconfigured as exc:
        return None, exc.line
    if keys is None:
        return None, f"no secret to sign with is set here ({variable('recalibration', 'secret')})"
    return keys, ""


async def calibrations_page(request: Request) -> Response:
    """`/calibrations`."""
    site: Site = request.app.state.site
    done, seal = request.query_params.get("done", ""), request.query_params.get("seal", "")
    is_ours = site.sessions.is_sealed(session_of(request), seal, "calibrations", done)
    return await _shown(request, said=SAID.get(done, "") if is_ours else "")


async def _shown(request: Request, *, said: str = "", refused: str = "", status: int = 200) -> Response:
    site: Site = request.app.state.site
    rows = await answered(site.store.query("dashboard_calibrations", fleet=site.fleet, limit=LISTED))
    _, why_not = keys_or_why(site.settings)
    return page(
        request,
        "calibrations.html",
        status=status,
        troubles=(rows.trouble,),
        title="Calibrations",
        models=_by_model([row["signed"] for row in rows.value or []]),
        in_force=in_force,
        why_not=why_not,
        said=said,
        refused=refused,
        reason_chars=MOST_REASON_CHARS,
    )


def _by_model(signed: Sequence[str]) -> list[OfModel]:
    versions: dict[str, list[Calibration]] = {}
    for text in signed:
        try:
            one = SignedCalibration.from_bytes(text.encode()).calibration
        except msgspec.MsgspecError:
            continue  # of a newer release
        versions.setdefault(one.model, []).append(one)
    return [OfModel(model, found, version_in_force(found[0])) for model, found in sorted(versions.items())]


async def decide(request: Request) -> Response:
    """POST `/calibrations`: approve or roll back the version that the form names, if it still is the newest."""
    site: Site = request.app.state.site
    session, form = await form_of(request)
    verb, model = form.get("verb", ""), form.get("model", "")
    version = number_of(form, "version", 0, 1_000_000_000)
    reason = " ".join(form.get("reason", "").split())
    if verb not in SAID or len(reason) > MOST_REASON_CHARS:
        raise BadQueryError(
            "This form asks for nothing that can be done with a calibration, or its reason is too long."
        )
    keys, why_not = keys_or_why(site.settings)
    if keys is None:
        return await _shown(request, refused=f"Not done: {why_not}", status=409)
    kafka = site.settings.kafka
    outbox: KafkaOutbox | None = None
    try:
        outbox = await KafkaOutbox.connect(kafka)
        async with KafkaAdmin.connect(kafka) as admin:
            topic = CalibrationTopic(admin, outbox, kafka, keys)
            held = (await topic.read()).newest.get(model)
            if held is None or held.version != version or held.state != form.get("state", ""):
                refused = "it has become another one meanwhile; look at it and decide again"
                return await _shown(request, refused=f"Not done: {refused}.", status=409)
            if verb == "approve":
                new = approve(held, by=session.who, at=site.now(), reason=reason)
            else:
                new = roll_back(held, by=session.who, at=site.now(), reason=reason or "by hand")
            await topic.append(new)
    except (Rejected, Misconfigured) as exc:
        return await _shown(request, refused=f"Not done: {exc.line}", status=409)
    except Retryable as exc:
        return await _shown(request, refused=f"It may or may not be done: {exc}", status=503)
    finally:
        if outbox is not None:
            await outbox.aclose()
    seal = site.sessions.seal(session, "calibrations", verb)
    return RedirectResponse(f"/calibrations?done={verb}&seal={seal}", 303)
