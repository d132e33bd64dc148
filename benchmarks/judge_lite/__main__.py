"""`python -m benchmarks.judge_lite --data DIR`: what the judge without a language model gets right, and what it costs.

DIR holds guard/train.jsonl.gz, guard/dev.jsonl.gz and chatlogs/. The guard is the one that is served, on the embedded Triton.
Nothing of this data has set a threshold or a word, but for the least words of a template, which the first table of
templates shows. `ratio` of the templates is the time of comparing all pairs over that of the index.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from monitor.adapters.triton import connect
from monitor.embedded.triton import TritonPart
from monitor.judging.by_code import ByCode
from monitor.judging.care_domains import named_domain
from monitor.judging.duplication import LEAST_JACCARD, LEAST_WORDS, TemplateWindow, jaccard, shingles_of
from monitor.judging.judge_lite import JudgeLite
from monitor.ports import Guard, Score
from monitor.settings import TritonSettings
from schemas.judgements import JudgeRequest

REPOSITORY: Final = Path(__file__).resolve().parents[2] / "triton_models"
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
HAZARDS: Final = {
    "ssh": "suicide",
    "src": "sex crime",
    "cse": "minors",
    "iwp": "weapons",
    "vcr": "violent crime",
}

Row = dict[str, Any]


def rows_of(path: Path) -> list[Row]:
    """The rows of a JSONL file, packed or not."""
    content = path.read_bytes()
    return [
        json.loads(line)
        for line in (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    ]


def request(event_id: str, model: str, prompt: str, response: str, score: Score) -> JudgeRequest:
    """The question about an exchange that the guard has scored."""
    return JudgeRequest(
        event_id=event_id,
        tenant="",
        model=model,
        conversation_id="",
        occurred_at=AT,
        arrived_at=AT,
        source_topic="",
        prompt=prompt,
        response=response,
        truncated=False,
        prompt_harm=score.prompt_harm,
        refusal=score.refusal,
        response_harm=score.response_harm,
        category=score.category,
        category_probability=score.category_probability,
        guard_name="",
        guard_version="",
        guard_prompt_hash="",
        reason="sample",
        probability=1.0,
        policy="",
    )


async def scored(guard: Guard, texts: Sequence[tuple[str, str]]) -> Sequence[Score]:
    """The guard's scores, asked a thousand at a time."""
    found: list[Score] = []
    for start in range(0, len(texts), 1_000):
        some = texts[start : start + 1_000]
        found += await guard.score([prompt for prompt, _ in some], [response for _, response in some])
    return found


async def refusal_classes(guard: Guard, dev: Sequence[Row]) -> Iterator[str]:
    """What annotators say of what is called one of the two classes, or left open."""
    rows = [row for row in dev if row.get("refusal_class")]
    scores = await scored(guard, [(row["prompt"], row["response"]) for row in rows])
    answers = await JudgeLite(ByCode(window=None)).judge(
        [
            request(row["id"], row["model"], row["prompt"], row["response"], score)
            for row, score in zip(rows, scores, strict=True)
        ]
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, answer in zip(rows, answers, strict=True):
        counts[answer.refusal_class or f"open: {answer.not_judged['refusal_class']}"][
            row["refusal_class"]
        ] += 1
    labels = ("full_refusal", "partial_refusal", "full_compliance")
    lines = [f"refusal class, {len(rows):,} exchanges of XSTest, by annotators", _line("", labels)]
    lines += [_line(name, [count[label] for label in labels]) for name, count in sorted(counts.items())]
    return iter(lines)


def domains(train: Sequence[Row]) -> Iterator[str]:
    """Which domain the words of a prompt name, by the hazard that its authors gave it."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    harmless: Counter[str] = Counter()
    for row in train:
        name = str(named_domain(row["prompt"]) or "none named")
        if row["source"] == "ailuminate":
            counts[name][HAZARDS.get(row["hazard"], "other")] += 1
        elif row["prompt_harmful"] == 0:
            harmless[name] += 1
    labels = (*HAZARDS.values(), "other")
    yield "domain by words, prompts of AILuminate by hazard, and harmless prompts of all sources"
    yield _line("", (*labels, "harmless"))
    for name in sorted(counts):
        yield _line(name, [*(counts[name][label] for label in labels), harmless[name]])


def templates(dev: Sequence[Row]) -> Iterator[str]:
    """Refusals near-identical to an earlier one of the same model: by length, and by the index against all pairs."""
    refusals = [row for row in dev if row["refusal"] == 1 and row["response"]]
    sets = {row["id"]: shingles_of(row["response"]) for row in refusals}
    began_s = time.process_time()
    earlier: dict[str, list[Any]] = defaultdict(list)
    truth: dict[str, bool] = {}
    for row in refusals:
        shingles = sets[row["id"]]
        if shingles is not None:
            truth[row["id"]] = any(jaccard(shingles, one) >= LEAST_JACCARD for one in earlier[row["model"]])
            earlier[row["model"]].append(shingles)
    pairs_s = time.process_time() - began_s
    began_s = time.process_time()
    window = TemplateWindow()
    found = {row["id"]: window.is_template(row["model"], row["id"], row["response"]) for row in refusals}
    index_s = time.process_time() - began_s
    outcomes = Counter((truth[key], found[key]) for key in truth)
    yield f"templates among {len(refusals):,} refusals, {len(truth):,} of {LEAST_WORDS} words or more"
    yield f"  near-identical to an earlier one {sum(truth.values())}; the index found {outcomes[True, True]}, missed {outcomes[True, False]}, made up {outcomes[False, True]}"
    yield f"  all pairs {pairs_s:.1f} s, the index {index_s:.1f} s (with the shingles), ratio {pairs_s / index_s:.1f}"


async def speed(guard: Guard, folder: Path) -> Iterator[str]:
    """Exchanges a second of CPU, once the guard has scored them."""
    rows = rows_of(folder / "mixed-week.jsonl")
    texts = [
        (row["request"]["messages"][-1]["content"], row["response"]["choices"][0]["message"]["content"] or "")
        for row in rows
    ]
    scores = await scored(guard, texts)
    requests = [
        request(row["id"], row["model"], *text, score)
        for row, text, score in zip(rows, texts, scores, strict=True)
    ]
    judge = JudgeLite()
    began_s = time.process_time()
    answers = await judge.judge(requests)
    took_s = time.process_time() - began_s
    judged = Counter(
        name for answer in answers for name in answer.__struct_fields__ if _is_judged(answer, name)
    )
    shares = ", ".join(f"{name} {count / len(answers):.0%}" for name, count in judged.most_common())
    return iter(
        (
            f"speed over {len(rows):,} exchanges of the chat logs: {len(rows) / took_s:,.0f} a second of CPU",
            f"  judged: {shares}",
        )
    )


def _is_judged(answer: Any, name: str) -> bool:
    return name not in ("status", "truncated", "not_judged") and getattr(answer, name) is not None


def _line(name: str, cells: Sequence[object]) -> str:
    return f"  {name:22}" + "".join(f"{cell!s:>17}" for cell in cells)


async def main(data: Path) -> None:
    """Print all tables."""
    dev, train = (rows_of(data / "guard" / f"{name}.jsonl.gz") for name in ("dev", "train"))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = folder / "models"
        shutil.copytree(REPOSITORY / "guard_lite", models / "guard_lite")
        part = await stack.enter_async_context(TritonPart(folder / "triton", models))
        guard = await stack.enter_async_context(await connect(TritonSettings(url=part.address)))
        print(
            f"judge_lite {JudgeLite().identity.version} over {guard.identity.name} {guard.identity.version}"
        )
        for table in (
            await refusal_classes(guard, dev),
            domains(train),
            templates(dev),
            await speed(guard, data / "chatlogs"),
        ):
            print("\n" + "\n".join(table))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    asyncio.run(main(parser.parse_args().data))
