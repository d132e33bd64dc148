"""A model from a local folder or a hub id, whole and of the right kind, or an error that says the remedy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch

from triton_models.scoring import tree_attention

Part = Literal["causal", "body"]
"""`causal`: a language model with its head. `body`: any model, encoders too, without a head."""

Attention = Literal["tree", "sdpa", "eager"]
"""`tree`: flash attention for the prompt, a mask for the tree (padding on the right). The others: one dense mask over it all."""

DTYPES: Final = {"bfloat16": torch.bfloat16, "float32": torch.float32}


_SAMPLE_BYTES: Final = 1 << 20


class ModelError(RuntimeError):
    """A model that can't be served: says which, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in evaluation mode on its device, with its tokenizer. `version` names the weights as well as the folder can."""

    model: Any
    tokenizer: Any
    attention: Attention
    device: torch.device
    version: str


def load_model(
    source: str,
    *,
    architectures: Sequence[str] = (),
    dtype: str = "bfloat16",
    attention: Attention = "sdpa",
    device: str = "",
    part: Part = "causal",
) -> Loaded:
    """Load a model. `source`: a folder, or else a hub id, which needs the network or a filled cache; `architectures`: the
    model_types allowed, empty for any; `device` "": a GPU if there is one. Raises ModelError."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if dtype not in DTYPES:
        raise ModelError(f"dtype is {dtype!r}; write {' or '.join(DTYPES)}")
    _check_folder(source)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if attention == "tree":
        ALL_ATTENTION_FUNCTIONS.register(tree_attention.NAME, tree_attention.tree_attention)
    try:
        config = AutoConfig.from_pretrained(source)
        kind = config.model_type
        if architectures and kind not in architectures:
            raise ModelError(
                f"{source} is a {kind} model, and the prompt file is for {' or '.join(architectures)}; "
                "name the model that it is for, or the prompt file of this one"
            )
        made: Any = AutoModelForCausalLM if part == "causal" else AutoModel
        found: Any = made.from_pretrained(
            source,
            dtype=DTYPES[dtype],
            attn_implementation=_implementation(attention),
            output_loading_info=True,
        )
        model, info = found
        tokenizer = AutoTokenizer.from_pretrained(source)
    except ModelError:
        raise
    except Exception as exc:  # the library raises OSError, ValueError, SafetensorError, KeyError …
        raise ModelError(
            f"{source} can't be loaded ({type(exc).__name__}: {str(exc).splitlines()[0] if str(exc) else ''}); "
            "copy the whole model folder again, or, for a hub id, check the name and that it can be reached"
        ) from exc
    missing = [key for key in info["missing_keys"] if part == "causal" or not _is_head(key)]
    if absent := sorted(missing) or sorted(info["mismatched_keys"]):
        raise ModelError(
            f"{source} lacks {len(absent)} of the model's weights, {absent[0]} first; they would be random: "
            "copy the whole model folder again"
        )
    embeddings = model.get_output_embeddings() if part == "causal" else model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"{source}: the tokenizer has {len(tokenizer)} tokens, the model {rows}; they are not of one model"
        )
    model.to(place).eval().requires_grad_(False)
    return Loaded(
        model, tokenizer, attention, place, version_of(source, getattr(config, "_commit_hash", None))
    )


def _is_head(key: str) -> bool:
    """An encoder's pooler stands behind all hidden states, and many checkpoints have none."""
    return key.startswith("pooler.")


def _implementation(attention: Attention) -> str:
    return tree_attention.NAME if attention == "tree" else attention


def _check_folder(source: str) -> None:
    """What can be said of a folder before anything is read. Raises ModelError."""
    folder = Path(source)
    looks_local = folder.is_absolute() or source.startswith((".", "~")) or source.count("/") != 1
    if not folder.is_dir():
        if looks_local:
            raise ModelError(
                f"there is no model folder {source}; mount or copy it there, or name a hub id OWNER/NAME"
            )
        return
    if not (folder / "config.json").is_file():
        raise ModelError(f"{source} has no config.json: it is no model folder, or not all of one")
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ModelError(f"{index} can't be read; copy the whole model folder again") from exc
    else:
        named = {path.name for path in folder.glob("*.safetensors")} or {"model.safetensors"}
    if absent := sorted(name for name in named if not (folder / name).is_file()):
        raise ModelError(f"{source} lacks {', '.join(absent)}; copy the whole model folder again")
    for name in sorted(named):
        _check_weights(folder / name)


def _check_weights(path: Path) -> None:
    """A safetensors file begins with the length of its header, which says where its last byte is. Raises ModelError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length)) if 0 < length < size else None
        except ValueError:
            header = None
    if header is None:
        raise ModelError(f"{path} is no safetensors file, or cut off; copy it again")
    end = max(
        (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0
    )
    if 8 + length + end != size:
        raise ModelError(f"{path} has {size} bytes, not {8 + length + end}: it is cut off; copy it again")


def version_of(source: str, commit: str | None = None) -> str:
    """Names the weights: a folder's name with 12 hex digits of its fingerprint, or a hub id with its commit.

    The fingerprint is of config.json and of each weights file's size and first and last MiB: 14 GB needn't be read at
    every start, and two trainings differ there.
    """
    folder = Path(source)
    if not folder.is_dir():
        return f"{source}@{(commit or 'unknown')[:12]}"
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(0, size - _SAMPLE_BYTES))
            digest.update(file.read(_SAMPLE_BYTES))
    return f"{folder.resolve().name}@{digest.hexdigest()[:12]}"
