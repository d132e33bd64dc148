"""The workers of a stack see its settings and its addresses, whatever the environment says."""

from __future__ import annotations

from monitor.embedded.workers import worker_environment
from monitor.settings import KafkaSettings, Settings, load

ADDRESSES = {
    "WATCHKEEPER_KAFKA__BOOTSTRAP": "127.0.0.1:21001",
    "WATCHKEEPER_TRITON__URL": "127.0.0.1:21002",
    "WATCHKEEPER_CLICKHOUSE__URL": "http://127.0.0.1:21003",
}


def _as_workers_see(environ: dict[str, str]) -> Settings:
    """What `load` makes of the environment in the worker process, over whatever was there before."""
    return load({**environ, **worker_environment(load(environ), ADDRESSES)})


def test_the_settings_reach_the_workers_with_the_stacks_addresses() -> None:
    given = {
        "WATCHKEEPER_MODERATION__REFUSAL_THRESHOLD": "0.7",
        "WATCHKEEPER_PRIVACY__HASH_KEY": "secret",
        "WATCHKEEPER_KAFKA__CREATE_TOPICS": "true",
        "WATCHKEEPER_KAFKA__BOOTSTRAP": "production:9092",
    }
    assert _as_workers_see(given) == load({**given, **ADDRESSES})


def test_what_is_for_other_servers_is_left_out() -> None:
    given = {
        "WATCHKEEPER_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "WATCHKEEPER_KAFKA__SASL_USERNAME": "user",
        "WATCHKEEPER_KAFKA__SASL_PASSWORD": "password",
        "WATCHKEEPER_KAFKA__REPLICATION": "3",
        "WATCHKEEPER_TRITON__TLS": "true",
        "WATCHKEEPER_CLICKHOUSE__USER": "writer",
        "WATCHKEEPER_CLICKHOUSE__PASSWORD": "password",
    }
    seen = _as_workers_see(given)
    assert seen == load(ADDRESSES)
    assert seen.kafka == KafkaSettings(bootstrap="127.0.0.1:21001")
