"""Every setting with its value, source and meaning; secrets masked."""

from __future__ import annotations

from monitor.cli.config import setting_lines, stacked, table
from monitor.cli.parts import find_parts
from monitor.cli.shapes import ConfigDocument, SettingLine
from monitor.settings import known_variables
from tests.unit.cli.rendering import rendered

ENVIRONMENT = {
    "WATCHKEEPER_CLICKHOUSE__PASSWORD": "hunter2",
    "WATCHKEEPER_KAFKA__GROUP_PREFIX": "\x1b[31mred",
}


def lines() -> list[SettingLine]:
    return list(setting_lines(find_parts(ENVIRONMENT, lambda: None)))


def test_every_setting_is_there_with_its_meaning() -> None:
    assert [line.variable for line in lines()] == list(known_variables())
    assert all(line.meaning for line in lines())


def test_a_secret_is_masked_and_an_empty_one_is_empty() -> None:
    by_name = {line.variable: line for line in lines()}
    assert by_name["WATCHKEEPER_CLICKHOUSE__PASSWORD"].value == "**********"
    assert by_name["WATCHKEEPER_CLICKHOUSE__PASSWORD"].source == "environment"
    assert by_name["WATCHKEEPER_KAFKA__SASL_PASSWORD"].value is None
    assert "hunter2" not in ConfigDocument(embedded_data=None, settings=lines()).model_dump_json()


def test_both_layouts_hold_every_setting_and_nothing_that_drives_a_terminal() -> None:
    for width, layout in ((80, stacked(lines())), (140, table(lines()))):
        shown = rendered(layout, width)
        assert all(name in shown for name in known_variables())
        assert "\x1b" not in shown
        assert "␛[31mred" in shown
        assert max(map(len, shown.splitlines())) <= width
