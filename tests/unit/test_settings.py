from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from monitor.errors import Misconfigured
from monitor.kafka_settings import KafkaSettings
from monitor.setting_group import Group
from monitor.settings import PrivacySettings, Settings, known_variables, load, variable
from schemas.topics import (
    ALERT_ACTIONS,
    ALERT_DELIVERIES,
    ALERTS,
    AUDIT_REQUESTS,
    AUDITS,
    CALIBRATIONS,
    CHAT_LOGS,
    CHAT_LOGS_BACKFILL,
    CHAT_LOGS_DLQ,
    CONTROL,
    JUDGE_POLICIES,
    JUDGE_REQUESTS,
    JUDGE_REQUESTS_BACKFILL,
    JUDGE_REQUESTS_DLQ,
    JUDGEMENTS,
    JUDGEMENTS_DLQ,
    TOPICS,
    VERDICTS,
    VERDICTS_DLQ,
)


def fields() -> dict[str, FieldInfo]:
    """Every variable with its field, read from the object itself."""
    groups = {name: info.annotation for name, info in Settings.model_fields.items()}
    return {
        variable(name, field): info
        for name, group in groups.items()
        if isinstance(group, type) and issubclass(group, Group)
        for field, info in group.model_fields.items()
    }


def test_every_variable_is_known_by_its_name() -> None:
    assert set(known_variables()) == set(fields())


def test_a_silent_environment_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_a_variable_sets_its_field_and_no_other() -> None:
    settings = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": "k1:9092,k2:9092", "PATH": "/bin"})
    assert settings == Settings(kafka=KafkaSettings(bootstrap="k1:9092,k2:9092"))


def test_the_case_of_a_variable_does_not_matter() -> None:
    assert load({"watchkeeper_triton__url": "t:1"}).triton.url == "t:1"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"WATCHKEEPER_KAFKA__SSL_CA_FILE": "", "WATCHKEEPER_TRITON__MAX_BATCH": ""}) == Settings()


def test_defaults_count_only_where_the_environment_is_silent() -> None:
    addresses = {"WATCHKEEPER_KAFKA__BOOTSTRAP": "embedded:1", "WATCHKEEPER_TRITON__URL": "embedded:2"}
    settings = load({"WATCHKEEPER_KAFKA__BOOTSTRAP": "mine:1"}, addresses)
    assert (settings.kafka.bootstrap, settings.triton.url) == ("mine:1", "embedded:2")


def test_an_unknown_variable_stops_the_start_and_the_nearest_is_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        load({"WATCHKEEPER_KAFKA__BOOTSTRP": "k:1"})
    assert "WATCHKEEPER_KAFKA__BOOTSTRP is not a setting; did you mean WATCHKEEPER_KAFKA__BOOTSTRAP?" in str(
        caught.value
    )
    assert caught.value.remedy


@pytest.mark.parametrize(
    "name", ["WATCHKEEPER_", "WATCHKEEPER_KAFKA", "WATCHKEEPER_KAFKA__", "WATCHKEEPER_X__Y__Z"]
)
def test_a_name_that_only_looks_like_a_setting_stops_the_start(name: str) -> None:
    with pytest.raises(Misconfigured):
        load({name: "1"})


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(
            {
                "WATCHKEEPER_TRITON__MAX_BATCH": "0",
                "WATCHKEEPER_STORAGE__FLUSH_AFTER_S": "soon",
                "WATCHKEEPER_PRIVACY__EXCERPT_POLICY": "some",
                "WATCHKEEPER_NO__SUCH": "1",
            }
        )
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    assert [line.split()[1].rstrip(":") for line in sorted(lines)] == [
        "WATCHKEEPER_NO__SUCH",
        "WATCHKEEPER_PRIVACY__EXCERPT_POLICY",
        "WATCHKEEPER_STORAGE__FLUSH_AFTER_S",
        "WATCHKEEPER_TRITON__MAX_BATCH",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WATCHKEEPER_MODERATION__SAMPLE_PROBABILITY", "0"),
        ("WATCHKEEPER_MODERATION__SAMPLE_PROBABILITY", "1.01"),
        ("WATCHKEEPER_MODERATION__SAMPLE_PROBABILITY", "nan"),
        ("WATCHKEEPER_TRITON__DEADLINE_S", "-1"),
        ("WATCHKEEPER_CLICKHOUSE__DATABASE", "watch; DROP TABLE x"),
        ("WATCHKEEPER_KAFKA__SECURITY_PROTOCOL", "TLS"),
        ("WATCHKEEPER_EMBEDDED__BROKER_HEAP_MB", "127"),
    ],
)
def test_a_value_out_of_bounds_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        load({name: value})


def test_secrets_show_in_no_text() -> None:
    settings = load(
        {
            "WATCHKEEPER_CLICKHOUSE__PASSWORD": "hunter2",
            "WATCHKEEPER_KAFKA__SASL_PASSWORD": "hunter2",
            "WATCHKEEPER_KAFKA__SSL_KEY_PASSWORD": "hunter2",
            "WATCHKEEPER_PRIVACY__HASH_KEY": "hunter2",
        }
    )
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.privacy == PrivacySettings(hash_key=SecretStr("hunter2"))


def test_a_token_that_could_be_guessed_stops_the_start_and_is_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="WATCHKEEPER_WEB__TOKEN") as refused:
        load({"WATCHKEEPER_WEB__TOKEN": "fifteen letters"})
    assert "16 characters or more" in str(refused.value)
    assert "fifteen letters" not in str(refused.value)
    assert load({"WATCHKEEPER_WEB__TOKEN": ""}).web.token == SecretStr("")
    assert load({"WATCHKEEPER_WEB__TOKEN": "sixteen letters!"}).web.token == SecretStr("sixteen letters!")


def test_every_secret_is_typed_as_one() -> None:
    named = {name for name in fields() if name.endswith(("PASSWORD", "_KEY", "TOKEN", "SECRET", "SECRETS"))}
    assert named == {name for name, info in fields().items() if "SecretStr" in str(info.annotation)}


def test_settings_are_frozen() -> None:
    settings = load({})
    with pytest.raises(ValidationError):
        settings.kafka.bootstrap = "elsewhere:1"  # type: ignore[misc]  # that is the point


def test_every_field_says_what_it_means() -> None:
    assert [name for name, info in fields().items() if not info.description] == []


def test_every_default_address_is_loopback() -> None:
    settings = Settings()
    hosts = [
        settings.kafka.bootstrap.rpartition(":")[0],
        settings.triton.url.rpartition(":")[0],
        urlsplit(settings.clickhouse.url).hostname or "",
    ]
    assert [ipaddress.ip_address(host).is_loopback for host in hosts] == [True, True, True]


def test_default_topics_are_those_that_the_schemas_describe() -> None:
    kafka = Settings().kafka
    named = {
        CHAT_LOGS: kafka.chat_logs_topic,
        CHAT_LOGS_BACKFILL: kafka.chat_logs_backfill_topic,
        VERDICTS: kafka.verdicts_topic,
        CHAT_LOGS_DLQ: kafka.chat_logs_dlq_topic,
        VERDICTS_DLQ: kafka.verdicts_dlq_topic,
        CONTROL: kafka.control_topic,
        ALERTS: kafka.alerts_topic,
        ALERT_ACTIONS: kafka.alert_actions_topic,
        ALERT_DELIVERIES: kafka.alert_deliveries_topic,
        JUDGE_REQUESTS: kafka.judge_requests_topic,
        JUDGE_REQUESTS_BACKFILL: kafka.judge_requests_backfill_topic,
        JUDGE_REQUESTS_DLQ: kafka.judge_requests_dlq_topic,
        JUDGEMENTS: kafka.judgements_topic,
        JUDGEMENTS_DLQ: kafka.judgements_dlq_topic,
        JUDGE_POLICIES: kafka.judge_policies_topic,
        AUDITS: kafka.audits_topic,
        AUDIT_REQUESTS: kafka.audit_requests_topic,
        CALIBRATIONS: kafka.calibrations_topic,
    }
    assert named == {topic: topic.name for topic in named}
    assert set(named) == set(TOPICS)


def test_every_number_with_a_dimension_names_its_unit() -> None:
    units = (
        "_S",
        "_PER_HOUR",
        "_PER_MONTH",
        "_DAYS",
        "_EVENTS",
        "_THRESHOLD",
        "_PROBABILITY",
        "_SHARE",
        "_BAND",
        "_J",
    )
    bare = {name for name, info in fields().items() if info.annotation is float and not name.endswith(units)}
    assert bare == set()


def test_an_address_with_a_password_in_it_is_refused_and_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="set user and password") as refused:
        load({"WATCHKEEPER_CLICKHOUSE__URL": "https://someone:s3cr3t@clickhouse:8443"})
    assert "s3cr3t" not in str(refused.value)
