from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from monitor.serving.record_log import RecordLog
from schemas.refusal_tokens import RefusalToken
from tests.waiting import until

RECORD = RefusalToken(logits={"[refuse]": 1.5}, emitted="[refuse]")


def test_a_line_a_record(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "records.jsonl"
    log = RecordLog(path)
    for number in range(100):
        log(str(number), RECORD)
    log.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["request_id"] for line in lines] == [str(number) for number in range(100)]
    assert lines[7]["refusal_token"] == {"logits": {"[refuse]": 1.5}, "emitted": "[refuse]"}


def test_a_full_disk_costs_records_and_not_the_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = RecordLog(tmp_path)  # a folder: nothing can be appended to it
    for number in range(5):
        log(str(number), RECORD)
    log.close()
    assert log.lost == 5
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3  # at 1, 2 and 4


def test_an_id_that_cant_be_written_costs_its_own_record(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    log = RecordLog(path)
    log("\ud800", RECORD)
    log("2", RECORD)
    log.close()
    assert log.lost == 1
    assert json.loads(path.read_text(encoding="utf-8"))["request_id"] == "2"


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    log = RecordLog(path)
    log("1", RECORD)
    await until(lambda: path.exists() and path.read_text(encoding="utf-8"))
    path.rename(tmp_path / "records.1")
    log("2", RECORD)
    log.close()
    assert [json.loads(line)["request_id"] for line in path.read_text(encoding="utf-8").splitlines()] == ["2"]
