from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.serving.__main__ import main
from schemas.refusal_tokens import RefusalToken
from tests.unit.recalibration.logs import thresholds
from tests.unit.serving.serving_parts import SECRET, published, signed


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    (tmp_path / "secret").write_bytes(SECRET)
    return ["--key", f"main={tmp_path / 'secret'}"]


def a_file(folder: Path, content: bytes) -> str:
    (folder / "calibration.json").write_bytes(content)
    return str(folder / "calibration.json")


def test_check_says_what_is_in_force(
    tmp_path: Path, key: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", a_file(tmp_path, signed(published())), *key]) == 0
    out = capsys.readouterr().out
    assert "calibration 3 of m in watchkeeper: published" in out
    assert "the single rule" in out
    assert main(["check", a_file(tmp_path, signed(published(state="proposed"))), *key]) == 0
    assert "no rule: the model chooses" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "unreadable"),
        (signed(published())[:-3], "unreadable"),
        (signed(published(), secret=b"another secret of 16"), "bad_signature"),
        (signed(published(), key_id="other"), "unknown_key"),
        (signed(published(thresholds("single", 7.0))), "bad_thresholds"),
        (b" " * (1 << 21), "unreadable"),
    ],
)
def test_check_refuses_what_cant_be_trusted(
    content: bytes, says: str, tmp_path: Path, key: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", a_file(tmp_path, content), *key]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["check", "/nowhere"], ["check", "/nowhere", "--key", "main"]])
def test_a_call_that_lacks_something_says_what(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.strip()


def test_a_file_that_isnt_there(key: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/nowhere/x", *key]) == 1
    assert "No such file" in capsys.readouterr().err


def test_the_export_is_a_file_with_its_caveats(
    tmp_path: Path, key: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(tmp_path, signed(published(thresholds("bias", 0.5))))
    assert main(["export-openai", path, "--token-id", " [refuse]=17", *key]) == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["logit_bias"], len(document["caveats"])) == ({"17": 0.0}, 4)
    assert "not equivalent" in told.err
    assert main(["export-openai", path, "--token-id", "[refuse]=1,2", *key]) == 1
    assert main(["export-openai", path, *key]) == 1
    assert main(["export-openai", a_file(tmp_path, signed(published(state="proposed"))), *key]) == 1


def test_the_schema_names_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["$defs"]["RefusalToken"]["properties"]) == set(RefusalToken.__struct_fields__)
