"""Which judge the settings mean, and what it is told of them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from monitor.adapters.judge_openai import Endpoint
from monitor.errors import Misconfigured
from monitor.metrics import Metrics
from monitor.roles import JUDGING, MODERATING, RECALIBRATING, ROLES, needed_roles
from monitor.settings import Settings, load
from workers.judges import connect_judge, judge_on_triton, openai_endpoint, require_judge


async def test_judge_lite_needs_nothing_and_is_there_at_once() -> None:
    connected = await connect_judge(load({"WATCHKEEPER_JUDGING__JUDGE": "lite"}), metrics=Metrics())

    assert connected.judge.identity.name == "judge_lite"
    await connected.aclose()


def test_a_judge_on_triton_has_the_guards_connection_and_its_own_time() -> None:
    settings = load(
        {
            "WATCHKEEPER_TRITON__URL": "guard:8001",
            "WATCHKEEPER_TRITON__TLS": "true",
            "WATCHKEEPER_JUDGING__DEADLINE_S": "90",
        }
    )
    elsewhere = load({"WATCHKEEPER_JUDGING__TRITON_URL": "judge:8001"})

    own = judge_on_triton(settings)
    assert (own.url, own.tls, own.deadline_s) == ("guard:8001", True, 90.0)
    assert judge_on_triton(elsewhere).url == "judge:8001"


def test_an_endpoint_is_told_all_that_is_set_of_it() -> None:
    settings = load(
        {
            "WATCHKEEPER_JUDGING__OPENAI_URL": "https://host/v1",
            "WATCHKEEPER_JUDGING__OPENAI_MODEL": "m",
            "WATCHKEEPER_JUDGING__OPENAI_API_KEY": "k",
            "WATCHKEEPER_JUDGING__OPENAI_CONSTRAINT": "json_object",
            "WATCHKEEPER_JUDGING__OPENAI_TOKENS_PER_HOUR": "1000000",
            "WATCHKEEPER_JUDGING__OPENAI_TOKENS_FIELD": "max_completion_tokens",
            "WATCHKEEPER_JUDGING__CONCURRENCY": "3",
        }
    )

    assert openai_endpoint(settings) == Endpoint(
        url="https://host/v1",
        model="m",
        api_key=SecretStr("k"),
        constraint="json_object",
        deadline_s=60.0,
        attempts=3,
        concurrency=3,
        tokens_per_hour=1_000_000,
        tokens_field="max_completion_tokens",
    )


@pytest.mark.parametrize("judge", ["lite", "triton", "openai"])
def test_all_roles_have_something_to_do_once_a_judge_is_named(judge: str) -> None:
    assert needed_roles(Settings()) == MODERATING
    assert needed_roles(load({"WATCHKEEPER_JUDGING__JUDGE": judge})) == (*MODERATING, *JUDGING)
    secret = {"WATCHKEEPER_RECALIBRATION__SECRET": "s" * 16}
    assert needed_roles(load(secret)) == (*MODERATING, *RECALIBRATING)
    assert (
        needed_roles(
            load({"WATCHKEEPER_JUDGING__JUDGE": judge, **secret, "WATCHKEEPER_AUDIT__ENABLED": "true"})
        )
        == ROLES
    )


def test_a_judging_role_without_a_judge_is_told_at_the_start() -> None:
    require_judge(Settings(), (*MODERATING, "judgements"))
    with pytest.raises(Misconfigured, match="the role judging needs a judge, and WATCHKEEPER_JUDGING__JUDGE"):
        require_judge(Settings(), ("storage", "judging"))
