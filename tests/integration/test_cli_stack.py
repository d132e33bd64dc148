"""The commands against a whole embedded stack, each found from a second terminal without any setting."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from monitor.cli.rates_shapes import RatesDocument
from monitor.cli.shapes import (
    AccountDocument,
    AccountTopic,
    AgreementDocument,
    CheckDocument,
    ConfigDocument,
    LettersDocument,
    MigrateDocument,
    TailLine,
    UpDocument,
)
from monitor.embedded.process import process_started
from tests.integration.commands import Done, begin, watchkeeper
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "chatlogs"
READY_WITHIN_S = 120


@dataclass
class Terminal:
    """A user of this machine: folders of its own, and the stack that runs in the first terminal."""

    environment: dict[str, str]
    data: Path
    up: asyncio.subprocess.Process
    said: UpDocument

    async def run(self, *arguments: str, stdin: bytes | None = None) -> Done:
        """A command in the second terminal."""
        return await watchkeeper(arguments, self.environment, stdin)


async def start(environment: dict[str, str], data: Path) -> Terminal:
    """`watchkeeper up`, waited for."""
    up = await begin(["up", "--data", str(data), "--json"], environment)
    assert up.stdout is not None
    line = await asyncio.wait_for(up.stdout.readline(), READY_WITHIN_S)
    if not line:
        _, err = await up.communicate()
        raise AssertionError(err.decode())
    return Terminal(environment, data, up, UpDocument.model_validate_json(line))


async def stop(terminal: Terminal) -> Done:
    """Ctrl-C in the first terminal."""
    terminal.up.send_signal(signal.SIGINT)
    out, err = await terminal.up.communicate()
    return Done(terminal.up.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user whose list of running stacks is empty; downloads stay in the real user's cache."""
    home = tmp_path_factory.mktemp("home")
    return {"XDG_STATE_HOME": str(home / "state"), "XDG_DATA_HOME": str(home / "data")}


@pytest.fixture(scope="module")
async def terminal(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Terminal]:
    """A stack for all tests here."""
    terminal = await start(environment, tmp_path_factory.mktemp("stack"))
    yield terminal
    if terminal.up.returncode is None:
        await stop(terminal)


async def test_the_dashboard_is_served_and_knows_the_stack(terminal: Terminal) -> None:
    async with httpx.AsyncClient(base_url=terminal.said.dashboard) as web:

        async def is_well() -> bool:
            health = (await web.get("/healthz")).json()
            return bool(health == {"status": "ok", "alerts": "ok", "store": "ok"})

        await until(is_well, "the dashboard knows the stack", within_s=30.0)
        page = await web.get("/pipeline")

    assert 'role="alert"' not in page.text
    assert terminal.said.dashboard_login.startswith(f"{terminal.said.dashboard}/login#token=")


def exchange(number: int) -> bytes:
    return json.dumps(
        {
            "id": f"chatcmpl-{number}",
            "created": 1_740_960_007 + number,
            "model": "m",
            "request": {"messages": [{"role": "user", "content": f"What is {number} plus one?"}]},
            "response": {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": str(number + 1)}}]
            },
        }
    ).encode()


async def the_account(terminal: Terminal) -> AccountDocument:
    done = await terminal.run("account", "--wait", "120", "--json")
    document = AccountDocument.model_validate_json(done.out)
    assert (document.state, document.findings, done.code) == ("balanced", [], 0), done.out
    return document


@dataclass(frozen=True)
class Figures:
    """What a topic's account says."""

    produced: int
    dead: int
    stored: int
    repeats: int

    def to(self, later: Figures) -> Figures:
        """What came since."""
        return Figures(
            later.produced - self.produced,
            later.dead - self.dead,
            later.stored - self.stored,
            later.repeats - self.repeats,
        )


def figures(topic: AccountTopic) -> Figures:
    assert topic.exchanges is not None
    return Figures(
        topic.messages.produced, topic.messages.dead, topic.exchanges.stored, topic.exchanges.repeats
    )


async def test_up_names_every_part_and_check_finds_them_well(terminal: Terminal) -> None:
    assert set(terminal.said.pids) == {"kafka", "triton", "clickhouse", "workers"}
    assert all(process_started(pid) for pid in terminal.said.pids.values())
    ready = await asyncio.to_thread(lambda: urlopen(f"{terminal.said.workers}/readyz", timeout=30).status)
    assert ready == 200
    done = await terminal.run("check", "--json")
    document = CheckDocument.model_validate_json(done.out)
    assert (document.healthy, done.code) == (True, 0), done.out
    assert {check.part for check in document.checks} == {"kafka", "triton", "clickhouse", "workers", "alerts"}


async def test_config_says_that_the_addresses_are_the_stacks(terminal: Terminal) -> None:
    document = ConfigDocument.model_validate_json((await terminal.run("config", "--changed", "--json")).out)
    assert document.embedded_data == str(terminal.data)
    assert {line.variable: line.value for line in document.settings} == terminal.said.environment


async def test_a_second_up_on_the_same_folder_is_refused_with_the_process(terminal: Terminal) -> None:
    done = await terminal.run("up", "--data", str(terminal.data))
    assert done.code == 2
    assert (
        f"an embedded stack runs on this folder already: {terminal.data} (process {terminal.up.pid})"
        in done.err
    )
    assert terminal.up.returncode is None


async def test_migrations_are_applied_by_the_workers(terminal: Terminal) -> None:
    document = MigrateDocument.model_validate_json((await terminal.run("migrate", "--dry-run", "--json")).out)
    assert document.dry_run
    assert {line.state for line in document.migrations} == {"applied"}


async def test_what_is_replayed_twice_is_stored_once_and_the_account_balances(terminal: Terminal) -> None:
    lines = b"\n".join([exchange(n) for n in range(400)] + [b"not json", b'{"id": 3}'])
    before = await the_account(terminal)
    for how in ("--live", "--backfill"):
        assert (await terminal.run("replay", "-", how, stdin=lines)).code == 0
        await the_account(terminal)
    after = await the_account(terminal)
    live = figures(before.chat_logs).to(figures(after.chat_logs))
    backfill = figures(before.backfill).to(figures(after.backfill))
    assert live == Figures(produced=402, dead=2, stored=400, repeats=0)
    assert backfill == Figures(produced=402, dead=2, stored=0, repeats=400)
    letters = LettersDocument.model_validate_json((await terminal.run("dlq", "list", "--json")).out)
    assert {(count.topic, count.reason, count.count) for count in letters.counts} == {
        (topic, reason, 1)
        for topic in ("chat.logs", "chat.logs.backfill")
        for reason in ("not_json", "unknown_format")
    }


async def test_a_dead_letter_sent_back_unmended_is_refused_again_and_counted(terminal: Terminal) -> None:
    await terminal.run("replay", "-", stdin=b"still not json\n")
    await the_account(terminal)
    first = LettersDocument.model_validate_json(
        (await terminal.run("dlq", "list", "--limit", "1", "--json")).out
    )
    (letter,) = first.letters
    assert (await terminal.run("dlq", "replay", letter.id)).code == 0
    await the_account(terminal)
    again = LettersDocument.model_validate_json(
        (await terminal.run("dlq", "list", "--limit", "1", "--json")).out
    )
    assert again.total == first.total + 1
    assert (again.letters[0].reason, again.letters[0].attempts) == (letter.reason, letter.attempts + 1)


async def test_transaction_markers_are_seen_to_be_no_messages(terminal: Terminal) -> None:
    before = await the_account(terminal)
    producer = AIOKafkaProducer(bootstrap_servers=terminal.said.kafka, transactional_id="a test")
    await producer.start()
    for number in range(400_000, 400_005):
        async with producer.transaction():
            await producer.send_and_wait("chat.logs", exchange(number), partition=0)
    await producer.stop()
    after = await the_account(terminal)
    assert after.chat_logs.messages.produced - before.chat_logs.messages.produced == 5
    assert after.chat_logs.messages.empty - before.chat_logs.messages.empty == 5
    assert after.chat_logs.messages.unproven == 0


async def test_rates_and_tail_show_what_was_judged(terminal: Terminal) -> None:
    await terminal.run("replay", "-", stdin=exchange(100_000))
    await the_account(terminal)
    done = await terminal.run("rates", "--by", "model,category", "--since", "1h", "--json")
    document = RatesDocument.model_validate_json(done.out)
    assert sum(cell.events for cell in document.cells) == document.total.events > 0
    assert [figure.name for figure in document.total.rates] == [
        "refusal",
        "over_refusal",
        "under_refusal",
        "prompt_harm",
        "response_harm",
    ]
    shown = await terminal.run("rates")
    assert f"{document.total.events:,}" in shown.out
    lines = (await terminal.run("tail", "--since", "1h", "--no-follow", "--json")).out.splitlines()
    assert "chatcmpl-100000" in {TailLine.model_validate_json(line).event_id for line in lines}


async def test_a_watched_table_ends_on_ctrl_c_with_130(terminal: Terminal) -> None:
    process = await begin(["rates", "--watch", "--every", "0.2", "--json"], terminal.environment)
    assert process.stdout is not None
    for _ in range(2):
        RatesDocument.model_validate_json(await asyncio.wait_for(process.stdout.readline(), 60))
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")


async def test_tail_shows_a_verdict_while_it_follows(terminal: Terminal) -> None:
    process = await begin(
        ["tail", "--since", "1s", "--json", "--limit", "1", "--model", "tailed"], terminal.environment
    )
    body = exchange(200_000).replace(b'"model": "m"', b'"model": "tailed"')
    await terminal.run("replay", "-", stdin=body)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert TailLine.model_validate_json(line).event_id == "chatcmpl-200000"
    assert await process.wait() == 0


@pytest.mark.skipif(not SHARED.exists(), reason="the shared chat logs aren't here")
async def test_a_week_of_real_exchanges_is_stored_exactly_once_and_agrees_with_its_labels(
    terminal: Terminal,
) -> None:
    before = await the_account(terminal)
    for _ in range(2):
        assert (await terminal.run("replay", str(SHARED / "mixed-week.jsonl"))).code == 0
        await the_account(terminal)
    after = await the_account(terminal)
    assert figures(before.backfill).to(figures(after.backfill)).stored == 6_000
    done = await terminal.run("agreement", str(SHARED / "labels.jsonl"), "--json")
    document = AgreementDocument.model_validate_json(done.out)
    assert (document.ids, document.stored) == (6_000, 6_000)
    refusal = next(one for one in document.agreements if one.label == "refusal")
    assert refusal.missing == 0
    assert refusal.kappa is not None
    assert refusal.kappa > 0.5  # far beyond chance; how good the guard is, its own benchmark says


async def test_rows_that_vanish_from_the_store_are_a_loss_the_account_names(terminal: Terminal) -> None:
    await terminal.run("replay", "-", "--live", stdin=exchange(300_000))
    before = await the_account(terminal)
    shown = (await terminal.run("tail", "--since", "1m", "--no-follow", "--json")).out.splitlines()
    lines = [TailLine.model_validate_json(line) for line in shown]
    source = next(line.source for line in lines if line.event_id == "chatcmpl-300000")
    topic, partition, offset = source.split("/")
    where = f"source_topic = '{topic}' AND source_partition = {partition} AND source_offset = {offset}"

    def ask(query: str) -> None:
        urlopen(Request(f"{terminal.said.clickhouse}/?database=watchkeeper", query.encode())).read()

    await asyncio.to_thread(ask, "CREATE TABLE kept_aside AS arrivals")
    await asyncio.to_thread(ask, f"INSERT INTO kept_aside SELECT * FROM arrivals WHERE {where}")
    await asyncio.to_thread(ask, f"ALTER TABLE arrivals DELETE WHERE {where} SETTINGS mutations_sync = 2")
    done = await terminal.run("account", "--json")
    document = AccountDocument.model_validate_json(done.out)
    assert (done.code, document.state) == (1, "unbalanced")
    assert document.chat_logs.exchanges is not None
    assert document.chat_logs.exchanges.lost == 1
    assert document.findings[0].startswith(
        f"chat.logs/{partition}: 1 exchanges were judged, and neither stored"
    )
    await asyncio.to_thread(ask, "INSERT INTO arrivals SELECT * FROM kept_aside")
    await asyncio.to_thread(ask, "DROP TABLE kept_aside")
    assert (await the_account(terminal)).chat_logs.messages == before.chat_logs.messages


async def test_up_ends_in_order_keeps_its_data_and_comes_back_on_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    first = await start({**environment, "WATCHKEEPER_EMBEDDED__DATA": str(tmp_path)}, tmp_path)
    first.environment["WATCHKEEPER_EMBEDDED__DATA"] = str(tmp_path)
    await first.run("replay", "-", stdin=exchange(1))
    await the_account(first)
    done = await stop(first)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    pids = [*first.said.pids.values()]
    await until(lambda: not any(process_started(pid) for pid in pids), "all processes are gone")
    gone = await watchkeeper(["account"], {**first.environment, "XDG_STATE_HOME": os.devnull + "/none"})
    assert gone.code == 2
    second = await start(first.environment, tmp_path)
    try:
        after = await the_account(second)
        assert figures(after.backfill).stored == 1
    finally:
        await stop(second)


async def test_an_interrupt_while_parts_start_leaves_nothing_behind(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = await begin(["up", "--data", str(tmp_path)], environment)
    assert process.stderr is not None
    await asyncio.wait_for(process.stderr.readline(), 60)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert b"interrupted while the parts were starting" in err
    assert b"Traceback" not in err
