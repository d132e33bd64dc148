"""What holds for the tree as a whole: arrows, names, locks, documents, the wheel."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from monitor import settings_doc
from monitor.cli.main import COMMANDS, Entry

ROOT: Final = Path(__file__).resolve().parents[2]
OURS: Final = ("monitor", "schemas", "workers")
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Vague names under which code without a home collects.
HOMELESS: Final = {"utils.py", "helpers.py", "common.py", "base.py", "misc.py"}
STANDARD_FROM_3_14: Final = ("compression",)
LONGEST_MODULE_LINES: Final = 400
GENERATED_OR_FOREIGN: Final = {".venv", ".git", "build", "dist", "__pycache__", "node_modules"}


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file below these folders of the repository."""
    for folder in folders:
        yield from (
            p for p in sorted((ROOT / folder).rglob("*.py")) if not GENERATED_OR_FOREIGN & set(p.parts)
        )


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- the arrows ---------------------------------------------------------------------------------------------------


def test_the_import_contract_has_every_arrow_and_no_exception() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts] == [
        "workers -> monitor -> schemas",
        "nobody imports the Triton model repository",
        "only workers know Faust",
        "no circles",
        "nobody but the command line knows the command line",
        "what runs beside a model server needs little of ours",
        "words, alerts as they are read, and reports do no I/O",
        "words know nothing of what they are about",
        "schemas do no I/O",
    ]
    assert [contract for contract in contracts if "ignore_imports" in contract] == []


def test_the_triton_model_repository_imports_nothing_of_ours() -> None:
    taken = {
        f"{relative(path)}: {name}"
        for path in sources("triton_models")
        for name in imports(path)
        if name.partition(".")[0] in (*OURS, "tests", "benchmarks")
    }
    assert taken == set()


def test_what_ships_imports_only_what_pyproject_declares() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = [*PYPROJECT["project"]["dependencies"], *extras["embedded"], *extras["models"], *extras["pdf"]]
    declared = {canonicalize_name(Requirement(line).name) for line in asked}
    providers = packages_distributions()
    undeclared = {
        f"{relative(path)}: {name}"
        for path in sources(*OURS)
        for name in imports(path)
        if (top := name.partition(".")[0]) not in (*OURS, *sys.stdlib_module_names, *STANDARD_FROM_3_14)
        and not {canonicalize_name(provider) for provider in providers.get(top, ())} & declared
    }
    assert undeclared == set()


# --- house rules that no linter knows -----------------------------------------------------------------------------


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert [
        relative(p) for p in sources(*OURS, "tests", "benchmarks", "triton_models") if p.name in HOMELESS
    ] == []


def test_no_module_is_longer_than_its_idea() -> None:
    long = {
        relative(path): lines
        for path in sources(*OURS, "triton_models")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE_LINES
    }
    assert long == {}


def test_our_own_code_is_never_monkeypatched() -> None:
    # setenv and chdir are about the process, not about our code. unittest.mock is banned by ruff.
    patching = re.compile(r"monkeypatch\.(setattr|delattr|setitem|delitem)\b|MonkeyPatch\(")
    here = Path(__file__).resolve()
    found = [
        relative(p)
        for p in sources("tests", "benchmarks")
        if p != here and patching.search(p.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_ignored_type_error_names_its_code_and_its_reason() -> None:
    good = re.compile(r"# type: ignore\[[a-z0-9, -]+\]  # \S")
    bare = [
        f"{relative(path)}:{number}"
        for path in sources(*OURS, "tests", "benchmarks", "triton_models")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "# type: ignore" in line and not good.search(line) and path != Path(__file__).resolve()
    ]
    assert bare == []


# --- locks --------------------------------------------------------------------------------------------------------


def locked(name: str) -> dict[str, str]:
    """Package to version of a lock, here: some have another version for another Python."""
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    lines = [Requirement(line) for line in re.findall(r"^([A-Za-z0-9._-]+==.*?) *\\$", text, re.MULTILINE)]
    return {
        canonicalize_name(line.name): str(line.specifier).removeprefix("==")
        for line in lines
        if line.marker is None or line.marker.evaluate()
    }


@pytest.mark.parametrize("name", ["all.txt", "bootstrap.txt"])
def test_a_lock_names_no_registry(name: str) -> None:
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    assert re.findall(r".*(?:://|index-url|find-links| @ ).*", text) == []


@pytest.mark.parametrize("name", ["all.txt", "bootstrap.txt"])
def test_every_locked_version_has_its_hashes(name: str) -> None:
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [
        entry.split()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)
    ] == []


def test_what_is_installed_is_what_the_lock_says() -> None:
    lock = locked("all.txt") | locked("bootstrap.txt")
    installed = {
        canonicalize_name(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]
    }
    differing = {
        name: (version, lock[name])
        for name, version in installed.items()
        if lock.get(name, version) != version
    }
    assert differing == {}, "installed and locked versions differ: run `make clean test`"


def test_the_build_backend_is_the_one_that_is_locked() -> None:
    assert PYPROJECT["build-system"]["requires"] == [f"setuptools=={locked('bootstrap.txt')['setuptools']}"]


# --- the wheel ----------------------------------------------------------------------------------------------------


def test_a_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    # Built from links, so that the tree gets no build folder.
    for name in (*OURS, "triton_models", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).symlink_to(ROOT / name)
    build = "import setuptools.build_meta as backend; print(backend.build_wheel('dist'))"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    there = {
        (Path(folder) / file).relative_to(ROOT).as_posix()
        for package in (*OURS, "triton_models")
        for folder, _, files in os.walk(ROOT / package)
        for file in files
        if "__pycache__" not in folder and not file.endswith(".pyc")
    }
    assert packed == there


# --- documents ----------------------------------------------------------------------------------------------------


def test_the_settings_page_says_what_the_settings_say() -> None:
    written = (ROOT / settings_doc.DOCUMENT).read_text(encoding="utf-8")
    assert written == settings_doc.render(), "run `make fix`"


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def code(document: Path) -> Iterator[str]:
    """What a reader would type: the lines of shell blocks, and inline code."""
    text = document.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|shell|bash|console)\n(.*?)```", text, re.DOTALL):
        yield from (re.sub(r"\s+#.*", "", line.removeprefix("$ ")) for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {m[1] for line in code(document) if (m := re.match(r"make ([a-z-]+)", line.strip()))}
    assert named <= targets


def spoken(entries: tuple[Entry, ...], prefix: str = "watchkeeper") -> set[str]:
    """Each command as it is typed, groups too."""
    names = {f"{prefix} {entry.name}" for entry in entries}
    return names.union(*(spoken(entry.commands, f"{prefix} {entry.name}") for entry in entries))


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_command_in_a_document_exists(document: Path) -> None:
    known = spoken(COMMANDS)
    groups = {name for name in known if any(other.startswith(f"{name} ") for other in known)}
    unknown = []
    for line in code(document):
        match = re.search(r"(?:^|[ /|])(watchkeeper [a-z]+)((?: [a-z]+)?)", line.strip())
        if match is None:
            continue
        said = match[1] + match[2] if match[1] in groups else match[1]
        if said not in known:
            unknown.append(line)
    assert unknown == []


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_link_into_the_repository_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (document.parent / link).exists()] == []


@functools.cache
def anchors(document: Path) -> frozenset[str]:
    """What a link's part behind # can name: the headings, as GitHub writes them, and what is named on purpose."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE):
        said = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", said).replace(" ", "-"))
    return frozenset(found)


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_link_to_a_heading_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", document.read_text(encoding="utf-8"))
    inside = [
        (document.parent / file if file else document, part) for file, part in links if "://" not in file
    ]
    assert [
        f"{relative(file)}#{part}"
        for file, part in inside
        if file.suffix == ".md" and part not in anchors(file)
    ] == []


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    tops = "|".join((*OURS, "triton_models", "tests", "benchmarks", "deploy", "docs", "locks"))
    named = {
        part
        for line in code(document)
        for part in re.findall(rf"(?<![\w./-])(?:{tops})/[\w./-]*\w/?", line)
        if not re.search(r"NNNN|\.log$", part)  # a pattern; a file of a running stack
    }
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_adrs_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


# --- make and CI --------------------------------------------------------------------------------------------------


def test_make_alone_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = {target for target in re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE) if "/" not in target}
    described = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert described == phony


def test_ci_runs_the_test_command_of_the_readme_and_the_checks() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"^part (.+)$", script, re.MULTILINE) == ["make test", "make check"]
    assert {"make demo", "make test"} <= set(code(ROOT / "README.md"))
    assert os.access(ROOT / ".ci/run", os.X_OK)
