"""Prompt files: what is refused, and what the hash covers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from schemas.taxonomy import CATEGORIES
from tests.unit.scoring import models
from triton_models.scoring import prompt_file
from triton_models.scoring.guard import check_categories
from triton_models.scoring.prompt_file import PromptFileError, content_hash, parse

TEXT = (models.GUARDS / "wildguard.toml").read_text(encoding="utf-8")


def content(**changes: Any) -> dict[str, Any]:
    return tomllib.loads(TEXT) | changes


def one_pass(*questions: dict[str, Any], template: str = "{prompt}", **more: Any) -> dict[str, Any]:
    asked = list(questions) or [{"name": "harm", "options": {"yes": " yes", "no": " no"}}]
    passes = [{"name": "one", "template": template, "questions": asked, **more}]
    return content(passes=passes, labels={}, specials=[])


YES_NO = {"yes": " yes", "no": " no"}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (content(nmae="x"), "unknown keys: nmae"),
        (content(name=3), "needs 'name' \\(str\\)"),
        (content(passes=[]), "nothing would be asked"),
        (one_pass(template="{prompt}{prompt}"), "twice"),
        (one_pass(system="be good"), "chat = true"),
        (one_pass({"name": "a", "options": {"yes": " yes"}}), "two options"),
        (one_pass({"name": "a", "options": {"yes": " x", "no": " x"}}), "all different"),
        (one_pass({"name": "a", "options": {"yes": "", "no": "n"}}), "not empty"),
        (one_pass({"name": "a", "options": YES_NO}, {"name": "a", "options": YES_NO}), "repeat"),
        (one_pass({"name": "a", "options": YES_NO, "follows": "b"}), "isn't before it"),
        (
            one_pass({"name": "b", "options": YES_NO}, {"name": "a", "options": YES_NO, "follows": "b", "after": ["maybe"]}),
            "names options",
        ),
        (
            one_pass(
                {"name": "b", "options": YES_NO, "needs_response": True}, {"name": "a", "options": YES_NO, "follows": "b"}
            ),
            "so does it",
        ),
        (content(labels={"harm": {"question": "refusal", "yes": ["yes"], "no": ["no"]}}), "none of prompt_harm"),
        (content(labels={"refusal": {"question": "refusals", "yes": ["yes"], "no": ["no"]}}), "isn't asked"),
        (content(labels={"refusal": {"question": "refusal", "yes": ["ja"], "no": ["no"]}}), "no option"),
        (content(taxonomy={"question": "refusal", "slugs": {"yes": "cyberattacks"}}), "other options"),
        (content(specials=["[INST]", "<|nope|>"]), "no template has"),
        (content(chat=True), "leave specials out"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_mean_anything_is_refused_with_the_place(
    broken: dict[str, Any], said: str
) -> None:
    with pytest.raises(PromptFileError, match=said):
        parse(broken)


def test_the_hash_is_of_the_content_not_of_comments_or_layout() -> None:
    same = "# another comment\n" + TEXT.replace('version = "1"\n', "").replace(
        "bos = true", 'bos=true\nversion   =   "1"'
    )
    assert content_hash(tomllib.loads(same)) == models.wildguard().hash
    assert content_hash(tomllib.loads(TEXT.replace("---", "--"))) != models.wildguard().hash


def test_a_file_that_is_no_toml_or_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(PromptFileError, match="is no TOML"):
        prompt_file.load(tmp_path / "bad.toml")
    with pytest.raises(PromptFileError, match="can't be read"):
        prompt_file.load(tmp_path / "none.toml")


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(PromptFileError, match="calls itself 'wildguard'"):
        prompt_file.load_folder(tmp_path)


def test_wildguards_template_is_byte_exact() -> None:
    template = models.wildguard().passes[0].template
    assert template.startswith(
        "<|user|>\n[INST] You are a classifier for analyzing interactions between humans and LLMs. "
    )
    assert template.endswith(
        "\n\nHuman user:\n{prompt}\n\nAI assistant:\n{response}\n\n---\n\nAnswers: [/INST]\n<|assistant|>\n"
    )
    assert len(template.encode()) == 412


def test_every_guard_maps_onto_our_taxonomy() -> None:
    files = prompt_file.load_folder(models.GUARDS)
    assert sorted(files) == [
        "granite_guardian",
        "llama_guard_3",
        "qwen3guard_gen",
        "shieldgemma",
        "wildguard",
    ]
    for file in files.values():
        check_categories(file, CATEGORIES)


def test_a_taxonomy_of_other_slugs_is_refused() -> None:
    file = parse(
        content(
            taxonomy={
                "question": "refusal",
                "slugs": dict.fromkeys(("yes", "no", "not_applicable"), "benign"),
            }
        )
    )
    with pytest.raises(PromptFileError, match="isn't in the taxonomy"):
        check_categories(file, CATEGORIES)
