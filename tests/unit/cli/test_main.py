"""The command line as a whole: quick help, helpful refusals, exit codes, no traceback for a user's mistake."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.exits import MEANINGS, ExitCode
from monitor.cli.failures import Interrupted, guarded
from monitor.cli.main import COMMANDS, Entry, build, load
from monitor.errors import Misconfigured, Rejected, Retryable

REPOSITORY = Path(__file__).resolve().parents[3]
LIBRARIES = (
    "aiokafka",
    "clickhouse_connect",
    "grpc",
    "tritonclient",
    "numpy",
    "pydantic",
    "msgspec",
    "faust",
)


def watchkeeper(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "", "HOME": str(REPOSITORY / "no-such-home"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def leaves(
    entries: tuple[Entry, ...] = COMMANDS, prefix: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Entry]]:
    found: list[tuple[tuple[str, ...], Entry]] = []
    for entry in entries:
        path = (*prefix, entry.name)
        found += [(path, entry)] if entry.function else []
        found += leaves(entry.commands, path)
    return found


def test_help_imports_no_client_library() -> None:
    code = (
        "import sys\n"
        "from monitor.cli.main import build\n"
        "try:\n    build().main(['--help'], prog_name='watchkeeper')\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(repr([m for m in {LIBRARIES!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]"
    for entry in COMMANDS:
        assert entry.name in done.stdout


def test_the_version_is_printed() -> None:
    done = watchkeeper("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("watchkeeper ")


def test_an_unknown_command_suggests_the_nearest() -> None:
    done = watchkeeper("acount")
    assert done.returncode == ExitCode.USAGE
    assert "Did you mean 'account'?" in done.stderr


def test_an_unknown_option_suggests_the_nearest() -> None:
    done = watchkeeper("config", "--jsn")
    assert done.returncode == ExitCode.USAGE
    assert "--json" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(["tail"], ["dlq", "list"], ["account"], ["check"], ["rates"]),
        *(
            ["alerts"],
            ["alerts", "show", "ab"],
            ["alerts", "ack", "ab"],
            ["alerts", "mute", "ab", "--for", "2h"],
        ),
        *(["plan"], ["backtest"], ["drift", "status"], ["drift", "rebuild"]),
    ],
    ids=" ".join,
)
def test_without_stack_and_settings_a_command_says_how_to_start(arguments: list[str]) -> None:
    done = watchkeeper(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert "no embedded stack is running" in done.stderr
    assert "watchkeeper up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["backtest", "--budget", "0"], "--budget '0' is no list of numbers above 0"),
        (["backtest", "--since", "1d", "--until", "2d"], "isn't before --until"),
        (["backtest", "--by", "size"], "--by 'size' is neither arrival nor occurred"),
        (["backtest", "--window", "7s"], "doesn't divide a day"),
        (["plan", "--measure", "refusals"], "--measure 'refusals' is no measure → did you mean refusal?"),
        (["plan", "--category", "cyberatacks"], "is no category → did you mean cyberattacks?"),
        (["plan", "--sort", "size"], "--sort 'size' is no order → choose among noticed, traffic, rate, name"),
        (["tail", "--category", "Bening"], "--category 'Bening' is no category → did you mean benign?"),
        (["alerts", "--watch", "show", "ab"], "--watch belongs after show"),
    ],
)
def test_a_mistake_is_told_before_anything_is_asked(arguments: list[str], told: str) -> None:
    done = watchkeeper(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert told in " ".join(done.stderr.split())


def test_a_misspelt_setting_is_told_with_the_nearest() -> None:
    done = watchkeeper("config", WATCHKEEPER_KAFKA__BOOTSTRAPS="x")
    assert done.returncode == ExitCode.USAGE
    assert "did you mean WATCHKEEPER_KAFKA__BOOTSTRAP?" in done.stderr


@pytest.mark.parametrize(
    ("path", "entry"), leaves(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_loads_and_explains_itself_with_examples(path: tuple[str, ...], entry: Entry) -> None:
    command = load(entry)
    shown = CliRunner().invoke(build_app(entry), ["--help"], env={"COLUMNS": "100"})
    assert shown.exit_code == 0, shown.output
    assert command.name == entry.name
    assert "Examples:" in shown.output
    assert f"watchkeeper {' '.join(path)}" in shown.output
    for parameter in command.params:
        assert parameter.help, f"{path}: {parameter.name} has no help"


@pytest.mark.parametrize(
    ("path", "entry"), leaves(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_examples_are_indented_and_fit_into_80_columns(
    path: tuple[str, ...], entry: Entry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        build().main([*path, "--help"], prog_name="watchkeeper")
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    begin = shown.index(" Examples:") + 1
    document = getattr(import_module(entry.module), entry.function).__doc__ or ""
    lines = inspect.cleandoc(document.partition("Examples:\n")[2].rstrip()).splitlines()
    assert shown[begin : shown.index("", begin)] == [f"     {line}" for line in lines]


def build_app(entry: Entry) -> typer.Typer:
    app = typer.Typer()
    app.command(entry.name)(getattr(import_module(entry.module), entry.function))
    return app


@pytest.mark.parametrize(
    ("trouble", "code", "told"),
    [
        (Misconfigured("it is wrong", "mend it"), 2, "watchkeeper: it is wrong\n  → mend it\n"),
        (
            Rejected("bad_shape", "at byte 3"),
            2,
            "watchkeeper: this input can't be used: bad_shape: at byte 3\n",
        ),
        (
            Retryable("no broker"),
            3,
            "watchkeeper: no broker\n  → run `watchkeeper check`: it asks every part",
        ),
        (Interrupted("interrupted: 3 sent"), 130, "watchkeeper: interrupted: 3 sent\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, ""),
    ],
)
def test_each_error_has_its_exit_code_and_is_told_without_a_traceback(
    trouble: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise trouble

    with pytest.raises(typer.Exit) as ended:
        guarded(command)()
    assert ended.value.exit_code == code
    assert capsys.readouterr().err.startswith(told)


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_a_message_with_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise Misconfigured("[bold]not markup[/bold] [/]")

    with pytest.raises(typer.Exit):
        guarded(command)()
    assert "[bold]not markup[/bold] [/]" in capsys.readouterr().err


def test_the_group_has_every_command() -> None:
    assert list(build().commands) == [entry.name for entry in COMMANDS]


def test_commands_import_no_worker() -> None:
    for path in (REPOSITORY / "monitor/cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("workers"), path
