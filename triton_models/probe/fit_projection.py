"""`python -m triton_models.probe.fit_projection`: fits a projection on principal components, and writes its file.

    python -m triton_models.probe.fit_projection --model /models/chat --texts prompts.txt --dimensions 256 --into chat.npz
    python -m triton_models.probe.model_folder --model /models/chat --projection chat.npz --into /srv/models

One text a line (of a .jsonl file: the field `text`, `prompt` or `input`). Labels aren't looked at, but take other texts than
the anchors: a few hundred at least, of the kind that the model is asked. The same options as for the model folder have to be given.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from triton_models.probe.model_folder import add_arguments, found_by
from triton_models.probe.projection import Components
from triton_models.probe.serving import open_reader
from triton_models.probe.settings import Settings
from triton_models.scoring.loading import ModelError
from triton_models.scoring.prompt_file import PromptFileError

_FIELDS: Final = ("text", "prompt", "input")


def texts_of_file(path: Path) -> list[str]:
    """Its texts, blank ones left out. Raises ModelError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in lines if line.strip()]
            lines = [next(str(row[name]) for name in _FIELDS if name in row) for row in rows]
    except (OSError, ValueError, TypeError, StopIteration) as exc:
        raise ModelError(
            f"{path} can't be read ({type(exc).__name__}); give UTF-8, one text a line, or JSON lines with {' or '.join(_FIELDS)}"
        ) from exc
    return [line for line in lines if line.strip()]


def fit(settings: Settings, texts: Sequence[str], dimensions: int) -> Components:
    """Of the model that the settings name. Raises ModelError."""
    reader = open_reader(settings, Path())
    states = reader.read(texts, reader.layers).states
    return Components.fit({name: states[:, at] for at, name in enumerate(reader.layers)}, dimensions)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--texts", type=Path, required=True, help="what it is fitted on")
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--into", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    try:
        settings = found_by(arguments).settings
        fitted = fit(settings, texts_of_file(arguments.texts), arguments.dimensions)
    except (ModelError, PromptFileError) as exc:
        raise SystemExit(str(exc)) from exc
    fitted.save(arguments.into)
    sys.stdout.write(f"{arguments.into} {fitted.name}\n")


if __name__ == "__main__":
    main()
