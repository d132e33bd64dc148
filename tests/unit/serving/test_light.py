"""What a model server has to install for it: a handful of packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOC = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
GUARD = """
import importlib, sys
allowed = set(sys.argv[1].split(","))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("monitor", "schemas") or top in sys.stdlib_module_names or top in allowed:
            return None
        raise ModuleNotFoundError(f"{name} is not one of the packages", name=top)
sys.meta_path.insert(0, Refuse())
for module in sys.argv[2].split(","):
    importlib.import_module("monitor.serving." + module)
"""
PURE = "config,deciding,following,following_topic,hashes,openai_export,position,record,record_log,starting,thresholds,tokens,__main__"


def imported(packages: str, modules: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", GUARD, packages, modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_needs_numpy_and_msgspec() -> None:
    found = imported("numpy,msgspec", PURE)
    assert found.returncode == 0, found.stderr
    assert "pip install --no-deps ." in DOC
    assert "pip install msgspec numpy" in DOC


def test_the_guard_of_this_test_refuses() -> None:
    assert "numpy is not one of the packages" in imported("msgspec", "deciding").stderr


def test_every_module_is_named() -> None:
    modules = {path.stem for path in (ROOT / "monitor" / "serving").glob("*.py")} - {"__init__"}
    heavy = {"torch_rows", "transformers_processor", "vllm_rows", "vllm_processor"}
    assert modules == set(PURE.split(",")) | heavy
