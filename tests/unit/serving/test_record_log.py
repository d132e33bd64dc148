from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from monitor.serving.record_log import RecordLog
from schemas.refusal_tokens import RefusalToken

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


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    first = RecordLog(path)
    first("1", RECORD)
    first.close()
    path.rename(tmp_path / "records.1")
    second = RecordLog(path)
    second("2", RECORD)
    second.close()
    assert "2" in path.read_text(encoding="utf-8")
