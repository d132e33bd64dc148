from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_entry_point_and_the_document_name_the_class() -> None:
    package = tomllib.loads((ROOT / "deploy/vllm/refusal_tokens/pyproject.toml").read_text(encoding="utf-8"))
    (target,) = package["project"]["entry-points"]["vllm.logits_processors"].values()
    module, _, name = target.partition(":")
    source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    assert re.search(rf"^class {name}\(", source, re.MULTILINE)
    assert f"--logits-processors {target}" in (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
