"""The documents that `--json` prints: one stable shape a command, described in docs/cli.md from here.

A field is never renamed or taken away; new ones may come. All times are UTC, RFC 3339.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """A document of `--json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class SettingLine(Document):
    """One setting."""

    variable: str = Field(description="The environment variable that sets it.")
    value: str | None = Field(
        description="The value in force; `**********` for a secret, null where it is empty."
    )
    source: Literal["environment", "embedded", "default"] = Field(
        description="`environment`: set by that variable. `embedded`: the embedded stack that runs here. `default`."
    )
    meaning: str = Field(description="What it does.")


class ConfigDocument(Document):
    """`watchkeeper config --json`."""

    embedded_data: str | None = Field(description="Data folder of the embedded stack in use, or null.")
    settings: list[SettingLine] = Field(description="Every setting, in the order of docs/settings.md.")


class RollupsDocument(Document):
    """`watchkeeper rollups rebuild --json`."""

    since: datetime = Field(description="From when on quarters were counted, by when exchanges happened.")
    quarters: int = Field(description="Quarters of an hour that were counted.")
    rows: int = Field(description="Rows of verdicts that they were counted from.")


class CheckLine(Document):
    """One thing that was checked."""

    part: Literal["kafka", "triton", "clickhouse", "workers", "audits", "alerts", "channels"] = Field(
        description="The part."
    )
    check: str = Field(description="What was checked.")
    state: Literal["ok", "warning", "failed"] = Field(
        description="The outcome; only `failed` fails the command."
    )
    facts: str = Field(description="What was found.")
    remedy: str = Field(description="The next step for a person; empty where all is well.")


class CheckDocument(Document):
    """`watchkeeper check --json`."""

    healthy: bool = Field(description="Whether nothing failed.")
    checks: list[CheckLine] = Field(description="Every check, failed or not.")


class MigrationLine(Document):
    """One migration."""

    name: str = Field(description="Its file, e.g. `0001_create_verdicts`.")
    state: Literal["applied", "pending", "applied now"] = Field(
        description="Where it stands after the command."
    )


class MigrateDocument(Document):
    """`watchkeeper migrate --json`."""

    database: str = Field(description="The ClickHouse database.")
    dry_run: bool = Field(description="Whether nothing was changed on purpose.")
    migrations: list[MigrationLine] = Field(description="All migrations, in order.")


class ReplayDocument(Document):
    """`watchkeeper replay --json`: printed when all is acknowledged."""

    topic: str = Field(description="The topic written to.")
    produced: int = Field(description="Messages that the broker acknowledged.")
    bytes: int = Field(description="Their size.")
    empty_lines: int = Field(description="Blank lines, which are not sent.")
    seconds: float = Field(description="How long it took.")
    files: list[str] = Field(description="The files, `-` for standard input.")
    interrupted: bool = Field(description="Whether Ctrl-C ended it early.")


class UpDocument(Document):
    """`watchkeeper up --json`: one line when all is ready; the stack then runs until it is stopped."""

    kafka: str = Field(description="Bootstrap address of the broker.")
    triton: str = Field(description="Triton's gRPC address.")
    clickhouse: str = Field(description="ClickHouse's HTTP address.")
    workers: str = Field(description="Where the workers serve `/metrics`, `/livez` and `/readyz`.")
    dashboard: str = Field(description="Where the dashboard is served; empty where it isn't.")
    dashboard_login: str = Field(
        description="The address that logs a browser in, with a token of this start; empty where it isn't served."
    )
    data: str = Field(description="The data folder.")
    pids: dict[str, int] = Field(description="Process ids by part.")
    environment: dict[str, str] = Field(description="The settings that point another process at this stack.")


class DashboardDocument(Document):
    """`watchkeeper dashboard --json`: one line when it is served; it then runs until it is stopped."""

    url: str = Field(description="Where it is served.")
    login_url: str = Field(
        description="With `--login`: the address that logs a browser in, with a token of this run."
    )


class LetterLine(Document):
    """One dead letter, without its message."""

    id: str = Field(
        description="`<dead-letter topic>/<partition>/<offset>`: what `dlq show` and `dlq replay` take."
    )
    reason: str = Field(description="Why it was refused: a slug of a bounded set.")
    detail: str = Field(
        description="Where in the message, and what was expected there. Never quotes the message."
    )
    topic: str = Field(description="The topic it came from.")
    partition: int = Field(description="The partition it came from.")
    offset: int = Field(description="Its offset there.")
    index: int = Field(description="Which exchange of the message was bad; -1 where the whole message was.")
    attempts: int = Field(description="How often it has been tried.")
    version: str = Field(description="The Watchkeeper version that refused it.")
    arrived_at: datetime | None = Field(description="When the message arrived.")
    written_at: datetime = Field(description="When the dead letter was written.")
    bytes: int = Field(description="Size of the message.")


class LetterCount(Document):
    """Dead letters of one reason from one topic."""

    topic: str = Field(description="The topic they came from.")
    reason: str = Field(description="Why.")
    count: int = Field(description="How many there are.")
    newest_at: datetime = Field(description="When the newest was written.")


class LettersDocument(Document):
    """`watchkeeper dlq list --json`."""

    total: int = Field(description="Dead letters that match, each once.")
    repeated: int = Field(description="How many more were written twice, by workers that were killed.")
    counts: list[LetterCount] = Field(description="By topic and reason, most first.")
    letters: list[LetterLine] = Field(description="The newest, at most `--limit`.")


class LetterDocument(Document):
    """`watchkeeper dlq show --json`."""

    letter: LetterLine = Field(description="The dead letter.")
    headers: dict[str, str] = Field(
        description="The message's own headers; bytes that are no UTF-8 as \\xNN."
    )
    key: str | None = Field(
        description="The message's key, only with --body; bytes that are no UTF-8 as \\xNN."
    )
    body: str | None = Field(description="The message, only with --body; bytes that are no UTF-8 as \\xNN.")


class LetterReplayDocument(Document):
    """`watchkeeper dlq replay --json`."""

    dry_run: bool = Field(description="Whether nothing was sent on purpose.")
    replayed: list[str] = Field(description="Ids of the dead letters sent back (or, dry, that would be).")
    exhausted: list[str] = Field(description="Ids left alone: tried --max-attempts times already.")
    same_message: list[str] = Field(description="Ids of further letters of a message that is sent back once.")
    unreturnable: list[str] = Field(description="Ids left alone: they name no topic that Watchkeeper reads.")


class TailLine(Document):
    """`watchkeeper tail --json`: one line a verdict."""

    event_id: str = Field(description="Id of the exchange.")
    tenant: str = Field(description="Whose traffic it is.")
    model: str = Field(description="The model that answered.")
    occurred_at: datetime = Field(description="When the exchange happened, by the log.")
    arrived_at: datetime = Field(description="When the broker appended the chat log.")
    status: Literal["ok", "unknown", "error", "skipped"] = Field(
        description="`ok`; or why there is no answer: `unknown` (unreadable), `error` (refused), `skipped` (sampled out)."
    )
    category: str = Field(description="Risk category, or `benign`; empty unless status is ok.")
    category_probability: float | None = Field(description="Its probability.")
    prompt_harm: float | None = Field(description="Probability that the prompt is harmful.")
    prompt_harmful: bool | None = Field(description="Whether that reaches the threshold.")
    refusal: float | None = Field(
        description="Probability that the response is a refusal; null without a response."
    )
    refused: bool | None = Field(description="Whether that reaches the threshold.")
    response_harm: float | None = Field(description="Probability that the response is harmful.")
    response_harmful: bool | None = Field(description="Whether that reaches the threshold.")
    guard: str = Field(description="The guard and its version.")
    judge_decision: Literal["asked", "sampled_out", "unscored", "off"] = Field(
        description="Whether a judge is asked; or why not: `sampled_out` (not drawn), `unscored` (no answer to draw by), "
        "`off` (nobody judges)."
    )
    judge_probability: float = Field(description="How probable that was.")
    prompt_excerpt: str = Field(
        description="Masked, bounded excerpt of the prompt; empty where none is kept."
    )
    response_excerpt: str = Field(description="The same of the response.")
    source: str = Field(
        description="`topic/partition/offset` of the chat log, and `#index` for its later exchanges."
    )


class MessageFigures(Document):
    """Where messages are. produced = handled + pending + expired + unproven + lost."""

    produced: int = Field(description="Messages since the group's ledger began.")
    handled: int = Field(description="Handled by the group, dead letters among them.")
    dead: int = Field(description="Of those, messages that went to the dead letters whole.")
    not_chat: int = Field(description="Spans and records in them that hold no chat.")
    pending: int = Field(description="Not read yet.")
    expired: int = Field(description="Removed by retention before they were read: a loss.")
    unproven: int = Field(
        description="Offsets without a counted message that can't be, or weren't, looked at."
    )
    lost: int = Field(description="The remainder. Negative: counted twice.")
    vanished: int = Field(
        description="Offsets committed beyond the end of the log: it is not the log that was read."
    )
    empty: int = Field(
        description="Offsets that hold no message (transaction markers, compaction), by looking."
    )
    before: int = Field(description="Offsets before the ledger began, which nobody counts.")


class ExchangeFigures(Document):
    """Where exchanges are. found = stored + repeats + sampled_out + dead + pending + lost."""

    found: int = Field(description="Exchanges in the messages handled.")
    stored: int = Field(description="Scored exchanges in the store, once per event id.")
    repeats: int = Field(
        description="Exchanges whose event id an earlier one had brought; they change no count."
    )
    sampled_out: int = Field(description="Exchanges that the sample left out, by settings.")
    dead: int = Field(description="Exchanges, or their verdicts, in the dead letters.")
    pending: int = Field(description="Judged, their verdicts on the way to the store.")
    lost: int = Field(
        description="The remainder; a lower bound while `pending` is above 0. Negative: too many stored."
    )


class AccountPartition(Document):
    """One partition."""

    partition: int = Field(description="Its number.")
    messages: MessageFigures = Field(description="Its messages.")
    exchanges: ExchangeFigures | None = Field(description="Its exchanges; null for the verdicts.")
    letters: int = Field(description="Dead letters that its ledger says were written.")


class AccountTopic(Document):
    """One topic."""

    topic: str = Field(description="Its name.")
    group: str = Field(description="The consumer group that handles it.")
    partitions: list[AccountPartition] = Field(description="By partition.")
    messages: MessageFigures = Field(description="In total.")
    exchanges: ExchangeFigures | None = Field(description="In total; null for the verdicts.")
    letters: int = Field(
        description="Records ever written to its dead-letter topic, repeats and all. The backfill shares that of the chat "
        "logs: here, what those don't claim."
    )
    letters_missing: int = Field(
        description="Dead letters that the group counts and that topic never held: a loss."
    )


class AccountDocument(Document):
    """`watchkeeper account --json`."""

    state: Literal["balanced", "on the way", "unproven", "unbalanced"] = Field(
        description="`balanced`: all is accounted for. `on the way`: so is all that has been handled, the rest waits. "
        "`unproven`: some offsets can't be looked at any more (exit code 4). `unbalanced`: something is lost (1)."
    )
    chat_logs: AccountTopic = Field(description="The chat logs as they come.")
    backfill: AccountTopic = Field(
        description="The chat logs of the backfill; no partitions where there is no such topic."
    )
    verdicts: AccountTopic = Field(description="The verdicts.")
    findings: list[str] = Field(
        description="What is wrong or unproven, each with its place and the next step."
    )


class LabelAgreement(Document):
    """Stored verdicts against one label."""

    label: Literal["refusal", "prompt_harmful", "response_harmful"] = Field(description="The label.")
    labelled: int = Field(description="Ids that carry this label.")
    compared: int = Field(description="Of those, stored with an answer to this question.")
    missing: int = Field(description="Of those, not in the store.")
    unanswered: int = Field(description="Of those, stored without an answer (status not ok, or no response).")
    both_yes: int = Field(description="Label yes, verdict yes.")
    label_only: int = Field(description="Label yes, verdict no: missed.")
    verdict_only: int = Field(description="Label no, verdict yes: false alarm.")
    both_no: int = Field(description="Label no, verdict no.")
    agreement: float | None = Field(
        description="(both_yes + both_no) / compared; null where nothing was compared."
    )
    kappa: float | None = Field(description="Cohen's kappa; null where chance alone would always agree.")
    precision: float | None = Field(description="both_yes / (both_yes + verdict_only).")
    recall: float | None = Field(description="both_yes / (both_yes + label_only).")
    f1: float | None = Field(description="2 both_yes / (2 both_yes + verdict_only + label_only).")


class AgreementDocument(Document):
    """`watchkeeper agreement --json`."""

    ids: int = Field(description="Ids in the label files.")
    stored: int = Field(description="Of those, in the store.")
    agreements: list[LabelAgreement] = Field(description="One for each label that occurs.")


class Estimate(Document):
    """An estimate with its interval."""

    value: float = Field(description="The estimate.")
    low: float = Field(description="Where its 95 % interval begins.")
    high: float = Field(description="Where it ends.")


class DemoAlert(Document):
    """What the watch told of the drift that was injected."""

    holds: bool = Field(
        description="Whether all of it is right, start and size near enough (one in twenty misses its 95 %); of a day too small to "
        "find it in, that nothing was told."
    )
    expected: bool = Field(description="Whether the day is large enough to find it.")
    detected: bool = Field(description="Whether an alert about that cell, or what holds it, came.")
    id: str | None = Field(description="Its id.")
    kind: str | None = Field(description="Its kind.")
    title: str | None = Field(description="Its title.")
    place: dict[str, str] = Field(description="Where it says that the drift is.")
    noticed_after_s: float | None = Field(
        description="From the first exchange after the change to the alert's window, in seconds."
    )
    noticed_after_day_s: float | None = Field(description="The same on the clock of the synthetic day.")
    noticed_after_exchanges: int | None = Field(description="And in exchanges of the cell.")
    cell_right: bool = Field(description="Whether it names the cell, not more and not less.")
    injected_at: datetime | None = Field(description="When the first exchange after the change arrived.")
    changed_from: datetime | None = Field(description="Where the alert's 95 % set of that moment begins.")
    changed_until: datetime | None = Field(description="Where it ends.")
    start_within: bool = Field(description="Whether it holds the moment.")
    rate_change: Estimate | None = Field(description="The change of the rate, as the alert says.")
    true_change: float | None = Field(
        description="The same by all rows of the day, as the guard labels them."
    )
    size_within: bool = Field(description="Whether the interval holds it.")
    others: list[str] = Field(description="Other alerts that were told.")
    watched: bool = Field(description="Whether the watch has seen all of the day.")


class DemoDocument(Document):
    """`watchkeeper demo --json`."""

    exchanges: int = Field(description="Exchanges sent, each counted once.")
    messages: int = Field(description="Messages sent.")
    repeats: int = Field(description="Exchanges sent again with the same id.")
    bad: int = Field(description="Messages sent that can't be used, on purpose.")
    stored: int = Field(description="Exchanges stored, each counted once.")
    first_figures_after_s: float | None = Field(description="From the first message sent to the first rates.")
    elapsed_s: float = Field(description="From the first message sent until all was stored.")
    drift_at: datetime = Field(description="The minute at which the drift was injected, by event time.")
    drift_tenant: str = Field(description="The tenant whose model drifts.")
    drift_model: str = Field(description="The model that drifts.")
    refused_before: float | None = Field(
        description="Of its harmless prompts, the share refused before, 0 to 1."
    )
    refused_after: float | None = Field(description="And after.")
    alert: DemoAlert = Field(description="What the watch told of it.")
    account: AccountDocument = Field(description="As `watchkeeper account --json`.")
