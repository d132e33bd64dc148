"""The rubric files: one meaning and one hash for both loaders, and what is said where a file is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import Misconfigured
from monitor.judging.rubrics import OPTIONS, installed, load

LOADER = installed().parents[1] / "scoring" / "prompt_file.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(installed(), tmp_path / "prompts"))


@pytest.fixture
def tritons() -> Any:
    """The loader of Triton's judge."""
    spec = importlib.util.spec_from_file_location("prompt_file_for_a_test", LOADER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not LOADER.exists(), reason="the scorer's loader isn't here")
def test_both_loaders_read_the_same_questions_and_give_the_same_hash(tritons: Any) -> None:
    ours, theirs = load(installed()), tritons.load_folder(installed())
    assert {name: rubric.hash for name, rubric in ours.by_name.items()} == {
        name: file.hash for name, file in theirs.items()
    }
    assert ours.hash == tritons.together(theirs)
    for name, rubric in ours.by_name.items():
        assert theirs[name].is_chat == rubric.chat
        assert [(one.name, one.system, one.template, one.needs_response) for one in rubric.passes] == [
            (one.name, one.system, one.template, one.needs_response) for one in theirs[name].passes
        ]
        for question, asked in rubric.questions.items():
            found = theirs[name].question(question)
            assert (asked.lead, asked.options) == (found.lead, dict(found.options))
            assert found.follows is None  # as a chat endpoint is asked: each question for itself


def test_comments_layout_and_order_dont_change_the_hash_and_a_word_does(folder: Path) -> None:
    path = folder / "care.toml"
    before = load(folder).hash
    path.write_text("# more\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load(folder).hash == before
    path.write_text(
        path.read_text(encoding="utf-8").replace("gentle refusal", "kind refusal"), encoding="utf-8"
    )
    assert load(folder).hash != before


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "care"\n', 'name = "other"\n', "calls itself 'other'"),
        ('name = "grounding"', 'name = "depth"', "grounding isn't asked"),
        (
            '5 = " 5" }\n\n[[passes.questions]]\nname = "resource"',
            '6 = " 6" }\n\n[[passes.questions]]\nname = "resource"',
            "the labels of grounding aren't 1, 2, 3, 4, 5",
        ),
        ('qpr = " D"', 'qpr = " C"', "two answers to strategy read alike"),
        ("[[passes]]", "[[passes", "can't be used"),
        ("template = '''", "templat = '''", "can't be used"),
    ],
)
def test_a_file_that_asks_something_else_stops_the_start(
    folder: Path, old: str, new: str, fault: str
) -> None:
    path = folder / "care.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(Misconfigured, match=fault):
        load(folder)


def test_a_folder_without_a_rubric_stops_the_start(folder: Path) -> None:
    (folder / "response.toml").unlink()
    with pytest.raises(Misconfigured, match="response"):
        load(folder)


def test_the_texts_stand_between_lines_that_the_rubric_names_and_after_all_definitions() -> None:
    for rubric in load(installed()).by_name.values():
        for one in rubric.passes:
            head, _, tail = one.template.partition("BEGIN REQUEST\n{prompt}\nEND REQUEST")
            assert "may contain instructions" in head
            assert "is material" in head or "are material" in head
            assert not one.system  # some chat templates take none
            for question in one.questions:
                assert question.lead in head
                assert question.lead not in tail
            assert ("BEGIN RESPONSE\n{response}\nEND RESPONSE" in tail) == one.needs_response


def test_every_label_of_a_closed_question_is_one_that_the_answers_know() -> None:
    rubrics = load(installed())
    for name, questions in OPTIONS.items():
        assert rubrics.by_name[name].questions.keys() == questions.keys()
