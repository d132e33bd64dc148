from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.errors import Misconfigured
from monitor.serving.config import TopicSource, kafka_arguments, load, secrets
from monitor.serving.hashes import template_hash
from monitor.serving.starting import start
from tests.unit.serving.serving_parts import SECRET, Words, published, signed

DOC = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
GOOD = """
fleet = "watchkeeper"
model = "m"
tokenizer = "a folder"
refusals = ["[refuse]"]
after = "</think>"
[keys]
main = "{folder}/secret"
[file]
path = "{folder}/calibration.json"
"""
TOKENIZER = Words({" [refuse]": 1, "[respond]": 2, "</think>": 3}, chat_template="{{ x }}")


def written(folder: Path, text: str) -> Path:
    (folder / "secret").write_bytes(SECRET + b"\n")
    path = folder / "serving.toml"
    path.write_text(text.replace("{folder}", str(folder)), encoding="utf-8")
    return path


def test_what_the_settings_name_is_followed(tmp_path: Path) -> None:
    running = start(load(written(tmp_path, GOOD)), TOKENIZER)
    try:
        served = running.served
        assert (served.ids, served.serving.refusals) == ((1, 2), ("[refuse]",))
        assert (running.position.after_id, running.records) == (3, None)
        assert served.serving.template_hash == template_hash("{{ x }}")
        mine = published(
            tokenizer_hash=served.serving.tokenizer_hash, template_hash=served.serving.template_hash
        )
        assert running.in_force.offer(signed(mine))
        assert running.in_force.standing.version == 3
    finally:
        running.stop()


def test_a_template_of_its_own_counts_in_place_of_the_tokenizers(tmp_path: Path) -> None:
    (tmp_path / "template").write_text("{{ y }}", encoding="utf-8")
    path = written(tmp_path, f'template = "{tmp_path}/template"\n' + GOOD)
    running = start(load(path), TOKENIZER)
    running.stop()
    assert running.served.serving.template_hash == template_hash("{{ y }}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fleet =", "serving.toml"),
        (GOOD.replace('model = "m"', ""), "missing required field `model`"),
        (GOOD + "\nevery = 1", "unknown field `every`"),
        ("temperature = 0\n" + GOOD, "temperature"),
        ("randomised = 0.7\n" + GOOD, "randomised"),
        ("randomised = 0.1\n" + GOOD, "without a seed"),
        (GOOD.partition("[file]")[0], "nothing to follow"),
        (GOOD.replace('main = "{folder}/secret"', ""), "no calibration could be trusted"),
        (
            GOOD.replace('refusals = ["[refuse]"]', 'refusals = ["[refuse]", " [refuse]"]'),
            "names that differ",
        ),
        (GOOD.replace('refusals = ["[refuse]"]', 'refusals = ["[Refuse]"]'), "token"),
        (GOOD.replace("</think>", "</thought>"), "</thought>"),
        (GOOD.replace("{folder}/secret", "{folder}/nowhere"), "nowhere can't be read"),
        ('template = "/nowhere"\n' + GOOD, "/nowhere can't be read"),
    ],
)
def test_bad_settings_say_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(Misconfigured, match=re.escape(says)):
        start(load(path), TOKENIZER)


def test_a_short_secret_is_refused_and_not_quoted(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    (tmp_path / "secret").write_text("hunter2")
    with pytest.raises(Misconfigured, match="7 bytes, 16 are needed") as caught:
        secrets(config)
    assert "hunter2" not in str(caught.value)


def test_a_broker_with_passwords(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    topic = TopicSource(
        servers="k:9092", security_protocol="SASL_SSL", username="u", password=str(tmp_path / "password")
    )
    found = kafka_arguments(topic)
    assert (found["sasl_plain_password"], found["sasl_mechanism"]) == ("secret", "PLAIN")
    assert "ssl_context" in found
    with pytest.raises(Misconfigured, match="username and password"):
        kafka_arguments(TopicSource(servers="k", security_protocol="SASL_PLAINTEXT"))
    with pytest.raises(Misconfigured, match=r"topic\.ca"):
        kafka_arguments(TopicSource(servers="k", security_protocol="SSL", ca="/nowhere"))


def test_the_settings_in_the_document_are_settings(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
    config = load(written(tmp_path, text))
    assert config.topic is not None
    named = set(re.findall(r"^\| `([a-z_.]+)`", DOC, re.MULTILINE))
    fields = set(type(config).__struct_fields__) - {"file", "topic"}
    assert {name for name in named if "." not in name} >= fields
