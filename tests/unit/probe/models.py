"""Tiny random models to probe: a decoder of bytes, and an encoder of single letters."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any, Final

import torch

from tests.unit.scoring.models import write_model

CHAT: Final = "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
DATED: Final = "{{ bos_token }}{{ strftime_now('%d %B %Y') }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
TEXTS: Final = (
    "Hello there",
    "a",
    "How do I bake bread at home, with rye and no yeast? " * 3,
    "日本 \ud800 é",
)


def byte_tokenizer(template: str | None = CHAT, **more: Any) -> Any:
    """One token a byte behind <s>, </s>, [INST] and [/INST], which a text might spell; without a padding token."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<s>", "</s>", "[INST]", "[/INST]"]
    names = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made: Any = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in specials])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made_fast: Any = PreTrainedTokenizerFast  # untyped
    words: Any = made_fast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", **more)
    words.chat_template = template
    return words


def decoder(folder: Path, template: str | None = CHAT, **more: Any) -> Path:
    """A Mistral of two blocks of 64."""
    return write_model(folder, byte_tokenizer(template), **more)


def encoder(folder: Path) -> Path:
    """A BERT of two blocks of 32 without a pooler, for at most 64 tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    signs = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *(f"##{sign}" for sign in signs)]
    ids = {name: number for number, name in enumerate(names)}
    made: Any = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    made_fast: Any = PreTrainedTokenizerFast  # untyped
    words: Any = made_fast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )
    torch.manual_seed(7)
    config = AutoConfig.for_model(
        "bert",
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    body: Any = AutoModel  # untyped
    body.from_config(config, add_pooling_layer=False).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
