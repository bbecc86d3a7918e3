"""The student's own tokenizer: byte-level BPE over the generated text, every digit a token, exported as `tokenizer.json`.

Byte level, so that no input is unknown; NFKC, so that full-width digits and units read as plain ones. The control tokens
are ordinary vocabulary entries; a question is encoded with `encode_special_tokens`, so that nobody can type one.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, ANSWER, WHY, THINK, END = CONTROL = ("<|pad|>", "<|answer|>", "<|why|>", "<|think|>", "<|end|>")
VOCABULARY_SIZE = 1536  # multiple of 32; beyond it only rare pieces of the generated text are gained


def train(texts: Iterable[str], words: Iterable[str], size: int = VOCABULARY_SIZE) -> Tokenizer:
    """`words` (the answers) are repeated so that each becomes one token."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        # Calculator marks stay apart from what surrounds them, so that the runtime can stop at `=` and continue after `>>`.
        pre_tokenizers.Split("<<", "isolated"), pre_tokenizers.Split(">>", "isolated"), pre_tokenizers.Split("=", "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in CONTROL], min_frequency=3,
        max_token_length=24,
    )
    tokenizer.train_from_iterator((text for source in (texts, list(words) * 1000) for text in source), trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer
