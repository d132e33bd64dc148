"""`python -m triton_models.scoring.model_folder`: writes a Triton model folder for a prompted guard or the judge.

    python -m triton_models.scoring.model_folder wildguard --model /models/wildguard --into /srv/models
    python -m triton_models.scoring.model_folder llama_guard_3 --model meta-llama/Llama-Guard-3-8B --into /srv/models
    python -m triton_models.scoring.model_folder judge --model /models/judge --into /srv/models

The folder is whole: config.pbtxt with the model's version and the prompt's hash, the model's code, its prompt files and the scorer.
"""

from __future__ import annotations

import argparse
import shutil
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from triton_models.scoring.loading import DTYPES, ModelError, version_of
from triton_models.scoring.prompt_file import PromptFileError, load_folder, together

REPOSITORY: Final = Path(__file__).resolve().parents[1]
JUDGE: Final = "judge"
CODE: Final = shutil.ignore_patterns("__pycache__", "*.pyc")
"""What is no code."""


def write(
    name: str,
    into: Path,
    *,
    model: str,
    dtype: str = "bfloat16",
    attention: str = "sdpa",
    device: str = "",
    budget: int = 16_384,
    prompts: Path | None = None,
) -> Path:
    """Write `into`/`name`, over what was there, and return it. `model` is a folder, or a hub id that can be reached or is in the
    local cache; `prompts` None: the prompt files of this release. Raises ModelError or PromptFileError."""
    source = REPOSITORY / (JUDGE if name == JUDGE else "wildguard")
    prompts = prompts or source / "prompts"
    files = load_folder(prompts)
    if name != JUDGE:
        if name not in files:
            raise PromptFileError(
                f"there is no guard {name!r}; write one of {', '.join(files)}, {JUDGE}, or a prompt file"
            )
        files = {name: files[name]}
    if Path(model).is_dir():
        model = str(Path(model).resolve())
    settings = {
        "name": name,
        "version": version_of(model, commit_of(model)),
        "hash": together(files),
        "model": model,
        "dtype": dtype,
        "attention": attention,
        "device": device,
        "budget": str(budget),
    }
    folder = write_code(source, into / name, settings)
    (folder / "prompts").mkdir()
    for file in files:
        shutil.copy(prompts / f"{file}.toml", folder / "prompts")
    return folder


def write_code(source: Path, folder: Path, settings: Mapping[str, str]) -> Path:
    """Write `folder` over what was there: config.pbtxt of `source` filled with `settings`, its `1`, and the scorer. Raises
    ModelError."""
    if unsafe := [key for key, value in settings.items() if any(sign in value for sign in '"\\\n')]:
        raise ModelError(f"{', '.join(unsafe)}: no quotes, backslashes or newlines, please")
    template = string.Template((source / "config.pbtxt.in").read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / "1", folder / "1", ignore=CODE)
    shutil.copytree(REPOSITORY / "scoring", folder / "scoring", ignore=CODE)
    (folder / "config.pbtxt").write_text(template.substitute(settings), encoding="utf-8")
    return folder


def commit_of(model: str) -> str | None:
    """The commit of a hub id, None for a folder."""
    if Path(model).is_dir():
        return None
    from transformers import AutoConfig

    try:
        return getattr(AutoConfig.from_pretrained(model), "_commit_hash", None)
    except Exception as exc:  # the library raises OSError, ValueError …
        raise ModelError(
            f"{model} is no folder here, and no hub id that can be reached ({type(exc).__name__}); name a model folder"
        ) from exc


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help=f"a guard (a prompt file's name), or {JUDGE}")
    parser.add_argument("--model", required=True, help="model folder, or hub id")
    parser.add_argument("--into", type=Path, required=True, help="the model repository to write to")
    parser.add_argument(
        "--prompts", type=Path, help="folder of prompt files; left out: those of this release"
    )
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="bfloat16")
    parser.add_argument("--attention", choices=("sdpa", "tree", "eager"), default="sdpa")
    parser.add_argument("--device", default="", help="cuda:0, cpu; empty: a GPU if there is one")
    parser.add_argument("--token-budget", type=int, default=16_384, help="most tokens of a batch")
    arguments = parser.parse_args()
    try:
        folder = write(
            arguments.name,
            arguments.into,
            model=arguments.model,
            dtype=arguments.dtype,
            attention=arguments.attention,
            device=arguments.device,
            budget=arguments.token_budget,
            prompts=arguments.prompts,
        )
    except (ModelError, PromptFileError) as exc:
        raise SystemExit(str(exc)) from exc
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
