"""`python -m triton_models.probe.model_folder`: writes a Triton model folder for the probe of a model.

    python -m triton_models.probe.model_folder --model /models/chat --into /srv/models
    python -m triton_models.probe.model_folder --model mistralai/Mistral-7B-Instruct-v0.3 --into /srv/models
    python -m triton_models.probe.model_folder --model /models/chat --projection random-256-1 --into /srv/models

The folder is whole: config.pbtxt with the facts that go into every audit, the model's code, and the projection's file, if any.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import torch

from triton_models.probe.projection import FILE, NONE
from triton_models.probe.settings import Settings, Settled, most_tokens, settled
from triton_models.scoring.loading import DTYPES, ModelError, version_of
from triton_models.scoring.model_folder import REPOSITORY, commit_of, write_code
from triton_models.scoring.prompt_file import PromptFileError

USUAL_TOKENS: Final = 1024
AUTO: Final = "auto"


def found_of(
    model: str,
    *,
    dtype: str = AUTO,
    device: str = "",
    pooling: str = AUTO,
    template: str = AUTO,
    projection: str = NONE,
    max_tokens: int = 0,
    budget: int = 16_384,
) -> Settled:
    """How a model is probed, without its weights. Raises ModelError or PromptFileError.

    `model`: a folder, or a hub id that can be reached or is in the local cache. AUTO: bfloat16, but float32 on the device
    `cpu`; the last token for causal models, the mean for others; the chat template where there is one. `projection`: "none",
    "random-<dimensions>-<seed>", or a file of fit_projection. `max_tokens` 0: 1,024, or what the model takes.
    """
    if Path(model).is_dir():
        model = str(Path(model).resolve())
    version = version_of(model, commit_of(model))
    config, tokenizer = _config_of(model)
    wanted = Settings(
        version=version,
        tokenizer_hash="",
        template_hash="",
        layers=(),
        dimensions=0,
        pooling=_pooling(pooling, config),
        template=_template(template, tokenizer),
        projection=projection,
        max_tokens=max_tokens or min(USUAL_TOKENS, most_tokens(config, tokenizer)),
        dtype=dtype if dtype != AUTO else "float32" if device == "cpu" else "bfloat16",
        model=model,
        device=device,
        budget=budget,
    )
    return settled(config, tokenizer, wanted, file=Path(projection), device=torch.device("cpu"))


def write(into: Path, found: Settled, *, name: str = "probe", file: Path | None = None) -> Path:
    """Write `into`/`name`, over what was there, and return it. `file`: the projection's, where it is of components. Raises
    ModelError."""
    source = REPOSITORY / "probe"
    folder = write_code(
        source, into / name, {"name": name, "mark": found.settings.mark, **found.settings.parameters()}
    )
    (folder / "probe").mkdir()
    for code in sorted(source.glob("*.py")):
        shutil.copy(code, folder / "probe")
    if file is not None:
        shutil.copy(file, folder / FILE)
    return folder


def _config_of(model: str) -> tuple[Any, Any]:
    """A model's config and tokenizer. Raises ModelError."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        read: Any = AutoTokenizer  # untyped
        return AutoConfig.from_pretrained(model), read.from_pretrained(model)
    except Exception as exc:  # the library raises OSError, ValueError, KeyError ...
        raise ModelError(
            f"{model} has no config or tokenizer that can be read ({type(exc).__name__}); copy the whole model folder again"
        ) from exc


def _pooling(wanted: str, config: Any) -> Any:
    if wanted != AUTO:
        return wanted
    kinds = getattr(config, "architectures", None) or ()
    return "last" if any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds) else "mean"


def _template(wanted: str, tokenizer: Any) -> Any:
    if wanted != AUTO:
        return wanted
    return "chat" if tokenizer.chat_template else "raw"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that say how states are made."""
    parser.add_argument("--model", required=True, help="model folder, or hub id")
    parser.add_argument("--dtype", choices=(AUTO, *sorted(DTYPES)), default=AUTO)
    parser.add_argument("--device", default="", help="cuda:0, cpu; empty: a GPU if there is one")
    parser.add_argument("--pooling", choices=(AUTO, "last", "mean"), default=AUTO)
    parser.add_argument("--template", choices=(AUTO, "chat", "raw"), default=AUTO)
    parser.add_argument("--max-tokens", type=int, default=0, help="longer texts keep head and tail")
    parser.add_argument("--token-budget", type=int, default=16_384, help="most tokens of a batch")


def found_by(arguments: argparse.Namespace, projection: str = NONE) -> Settled:
    """What add_arguments' say. Raises ModelError or PromptFileError."""
    return found_of(
        arguments.model,
        dtype=arguments.dtype,
        device=arguments.device,
        pooling=arguments.pooling,
        template=arguments.template,
        projection=projection,
        max_tokens=arguments.max_tokens,
        budget=arguments.token_budget,
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--into", type=Path, required=True, help="the model repository to write to")
    parser.add_argument("--name", default="probe", help="the model's name on Triton")
    parser.add_argument(
        "--projection", default=NONE, help=f"{NONE}, random-DIMENSIONS-SEED, or a file of fit_projection"
    )
    arguments = parser.parse_args()
    try:
        found = found_by(arguments, arguments.projection)
        file = Path(arguments.projection) if found.projection.shifts else None
        folder = write(arguments.into, found, name=arguments.name, file=file)
    except (ModelError, PromptFileError) as exc:
        raise SystemExit(str(exc)) from exc
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
