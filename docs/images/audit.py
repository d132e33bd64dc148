"""Draws docs/images/audit.svg: a real audit of MiniLM on the matched pairs, in this process, by the product's own measures.

    python docs/images/audit.py --model FOLDER

Needs torch and transformers (the extra `models`); FOLDER holds an encoder, such as the one that guard_lite was made from.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from monitor.adapters.anchor_sources import matched_set
from monitor.audit.pictures import audit_picture
from monitor.audit.ports import Probed, ProbeFacts
from monitor.audit_settings import AuditSettings
from monitor.cli.audit_here import audit_with
from monitor.cli.audit_view import audit_view
from monitor.cli.console import output

PICTURE: Final = Path(__file__).with_suffix(".svg")


@dataclass
class InProcess:
    """A probe without Triton: the masked mean of each layer of an encoder."""

    tokenizer: Any
    model: Any

    async def facts(self) -> ProbeFacts:
        """Of the model."""
        layers = tuple(f"layer_{n:02d}" for n in range(self.model.config.num_hidden_layers + 1))
        return ProbeFacts("probe", "all-MiniLM-L6-v2", "", "", layers, self.model.config.hidden_size, "mean", "raw", "none", 512, "float32")  # fmt: skip

    async def states(self, texts: Sequence[str], layers: Sequence[str]) -> Probed:
        """The layers asked for."""
        batch = self.tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            hidden = self.model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"][..., None].float()
        means = {name: ((hidden[int(name[-2:])] * mask).sum(1) / mask.sum(1)).numpy() for name in layers}
        return Probed(means, np.zeros(len(texts), np.bool_))


async def main() -> None:
    """Audit, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    folder = parser.parse_args().model
    probe = InProcess(AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval())
    made = await audit_with(
        probe,
        matched_set(),
        AuditSettings(),
        "all-MiniLM-L6-v2",
        "matched",
        fleet="docs",
        say=lambda *_: None,
    )
    record, layer = made.shown.record, made.shown.layer
    console = output()
    console.print(audit_view(record, (), console.width, layer=layer, axioms=made.axioms, axioms_layer=layer))
    PICTURE.write_bytes(audit_picture(record, None, made.shown.past, layer=layer))


asyncio.run(main())
