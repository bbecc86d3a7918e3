"""The student's own tokenizer: byte-level BPE, every digit a token, exported as `tokenizer.json`. Learned on the
generated text, or cut out of the larger one of base weights.

Byte level, so that no input is unknown; NFKC, so that full-width digits and units read as plain ones. The control
tokens are ordinary vocabulary entries; a question is encoded with `encode_special_tokens`, so that nobody can type one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from tokenizers import AddedToken, Encoding, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, ANSWER, WHY, THINK, END = CONTROL = ("<|pad|>", "<|answer|>", "<|why|>", "<|think|>", "<|end|>")
VOCABULARY_SIZE = 1536  # multiple of 32; beyond it only rare pieces of the generated text are gained
MARKS = ("<<", "=", ">>")  # of the calculator, each a token
WORD_REPEATS = 1000  # so often a word counts that must become one token
TOKEN_LEN_MAX, TOKEN_USES_MIN = 24, 3
PRIVATE = 0xF0000  # a plane of private characters
BATCH = 1000  # texts encoded at a time


def train(texts: Iterable[str], words: Iterable[str], size: int = VOCABULARY_SIZE) -> Tokenizer:
    """`words` (the answers) are repeated so that each becomes one token."""
    tokenizer = _around(models.BPE(byte_fallback=False))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[_special(token) for token in CONTROL],
        min_frequency=TOKEN_USES_MIN,
        max_token_length=TOKEN_LEN_MAX,
    )
    tokenizer.train_from_iterator((text for source in (texts, list(words) * WORD_REPEATS) for text in source), trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def cut(base: Tokenizer, texts: Iterable[str], words: Iterable[str], size: int | None, kept_share: float) -> Tokenizer:
    """At most `size` tokens for `texts`: control tokens and bytes; of the others `kept_share` from `base`, those that
    the texts use most; and new ones that are learned on the texts as those leave them. A kept token keeps the merges
    that lead to it, in their order, and what is learned comes behind them. With `size` None, all of `base` and nothing
    new."""
    model = json.loads(base.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    special = {token.content for token in base.get_added_tokens_decoder().values()}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())  # SmolLM2 lacks 21 of the 256 bytes
    whole = dict.fromkeys([*alphabet, *(token for token in model["vocab"] if token not in special)])
    if size is None:
        return _assemble(list(whole), merges)
    texts = [*texts, *[*words, *MARKS] * WORD_REPEATS]
    uses = Counter(token for encoding in _encoded(_assemble(list(whole), merges), texts) for token in encoding.tokens)
    wanted = [token for token, count in uses.most_common() if count >= TOKEN_USES_MIN]
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    kept = set(alphabet)
    room = len(kept) + int(kept_share * (size - len(kept) - len(CONTROL)))
    # What the texts leave free is filled in the order of the merges: the pieces that ordinary text has most.
    for token in (*wanted, *(a + b for a, b in merges)):
        if len(kept) == room:
            break
        way = _way(token, ranks)
        if len(kept | way) <= room:
            kept |= way
    tokens = [token for token in whole if token in kept]
    merges = [merge for merge in merges if {*merge, "".join(merge)} <= kept]
    learned = _learn(_encoded(_assemble(tokens, merges), texts), tokens, size - len(CONTROL))
    return _assemble(list(dict.fromkeys([*tokens, *map("".join, learned)])), [*merges, *learned])


def _encoded(tokenizer: Tokenizer, texts: list[str]) -> Iterator[Encoding]:
    for at in range(0, len(texts), BATCH):
        yield from tokenizer.encode_batch(texts[at : at + BATCH])


def _way(token: str, ranks: dict[tuple[str, str], int]) -> set[str]:
    """What BPE makes of a token's characters one after the other, the token itself last; nothing if it never gets
    there."""
    parts, made = list(token), set(token)
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(parts)))
        if rank == len(ranks):
            return set()
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
        made.add(parts[at])
    return made


def _learn(encodings: Iterable[Encoding], tokens: list[str], size: int) -> list[tuple[str, str]]:
    """Merges of `tokens` up to a vocabulary of `size`, learned on texts already cut into them. The trainer joins
    characters, so each token is one of the private ones."""
    character = {token: chr(PRIVATE + at) for at, token in enumerate(tokens)}
    token = {one: of for of, one in character.items()}
    words = (
        [
            "".join(character[token] for _, token in word)
            for _, word in groupby(zip(encoding.word_ids, encoding.tokens, strict=True), key=lambda pair: pair[0])
        ]
        for encoding in encodings
    )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(
        map(" ".join, words),
        trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=list(token),
            show_progress=False,
            min_frequency=TOKEN_USES_MIN,
            max_token_length=TOKEN_LEN_MAX,
        ),
    )
    return [
        ("".join(token[one] for one in left), "".join(token[one] for one in right))
        for left, right in json.loads(learner.to_str())["model"]["merges"]
    ]


def _assemble(tokens: list[str], merges: list[tuple[str, str]]) -> Tokenizer:
    """A tokenizer of ours with the control tokens first."""
    tokenizer = _around(models.BPE({token: at for at, token in enumerate([*CONTROL, *tokens])}, merges))
    tokenizer.add_special_tokens([_special(token) for token in CONTROL])
    tokenizer.encode_special_tokens = True
    return tokenizer


def _around(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            # Calculator marks stay apart from what surrounds them, so that the runtime can stop at `=` and continue
            # after `>>`.
            *(pre_tokenizers.Split(mark, "isolated") for mark in ("<<", ">>", "=")),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _special(token: str) -> AddedToken:
    return AddedToken(token, special=True, normalized=False)
