"""The rule as a custom logits processor of vLLM's V1 model runner: `--logits-processors monitor.serving.vllm_processor:RefusalTokens`.

Imported by vLLM alone. The settings file is named by the environment variable REFUSAL_TOKENS_FILE. What it does is in
monitor/serving/vllm_rows.py; it has not been run inside of a real vLLM (docs/serving.md).
"""

from __future__ import annotations

import atexit
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch

from monitor.errors import Misconfigured
from monitor.serving.config import VARIABLE, load
from monitor.serving.starting import start
from monitor.serving.vllm_rows import BatchUpdate, Rows, check_arguments

_VLLM: Final[Any] = import_module("vllm.v1.sample.logits_processor")


class RefusalTokens(_VLLM.LogitsProcessor):  # type: ignore[misc]  # vLLM isn't installed where types are checked
    """One an engine process. Threads follow the calibration; records go to the file that the settings name."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raise ValueError for a bad argument of ours."""
        check_arguments(sampling_params.extra_args)

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:  # noqa: FBT001 - vLLM's interface
        path = os.environ.get(VARIABLE)
        if not path:
            raise Misconfigured(f"{VARIABLE} isn't set", "it names the settings file of docs/serving.md")
        running = start(load(Path(path)))
        self._rows = Rows(running.in_force, running.position, running.records)
        atexit.register(running.stop)

    def is_argmax_invariant(self) -> bool:
        """No: vLLM would skip it where all requests are greedy."""
        return False

    def needs_output_token_ids(self) -> bool:
        """Which tokens were written, not only how many: for the record, and to see the end of thinking."""
        return True

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Before each step."""
        self._rows.update(batch_update)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """[requests, vocabulary], in place."""
        return self._rows.apply(logits)
