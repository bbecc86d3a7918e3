"""The harness that compares sokutou with its peers, by peers that are scripted: none of the real ones is needed."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from sokutou_train.peers import figures, run, weights, worker
from sokutou_train.peers.questions import (
    ASKS,
    BECAUSE,
    CHOICE,
    CHOICES,
    ENDS,
    EXPLAINED,
    FREE,
    KINDS,
    LETTERS,
    RATIONALE_TOKENS,
    THINKS,
)
from sokutou_train.peers.systems import OURS, REFERENCE, Process, Said, System, SystemFailed

NAMES = (OURS, "peer", REFERENCE)
COUNT = figures.COUNT_MIN
PROMPTS = {kind.name: [f"{kind.name}-{at}" for at in range(COUNT)] for kind in KINDS}


def said(kind, at, ms, name=REFERENCE, **other):
    return {
        "ms": ms,
        "inside_ms": ms,
        "answer": LETTERS[at % 4] if kind.lettered else None,
        "confidence": 0.5 if kind.lettered else None,
        "tokens_out": kind.tokens_out,
        "tokens_in": None if name == OURS else 100,
        "tokens_read": None if name == OURS else 40,
        "prompt": None if name == OURS else PROMPTS[kind.name][at],
        **other,
    }


@pytest.fixture
def raw():
    """Samples of three systems: ours takes 10 to 39 ms, the peer half of that, the reference three times."""
    kinds = {
        kind.name: {
            "questions": [],
            "said": {
                name: [said(kind, at, (10 + at) * times, name) for at in range(COUNT)]
                for name, times in zip(NAMES, (1, 0.5, 3), strict=False)
            },
        }
        for kind in KINDS
    }
    system = {
        "settings": "scripted",
        "version": "1",
        "start_s": 1.5,
        "load_s": 1.0,
        "rss_kib": 2048,
        "peak_rss_kib": 2048,
    }
    return {
        "date": "2026-01-01",
        "command": "models/run peers",
        "threads": 2,
        "foreign_share": 0.01,
        "stolen_share": 0.0,
        "machine": {"cpu": "an old one", "cores": 2, "features": ["avx2"], "kernel": "6", "python": "3.11"},
        "load_average": {"before": (0.5, 0, 0), "after": (1.5, 0, 0)},
        "warm_up": 3,
        "systems": {name: dict(system) for name in NAMES},
        "kinds": kinds,
    }


def test_what_is_whole_is_counted(raw):
    figures.check(raw, NAMES, KINDS, PROMPTS)
    found = figures.summary(raw, NAMES, KINDS)
    peer, slow = (found["kinds"]["free"][name] for name in ("peer", REFERENCE))
    assert (peer["n"], peer["p50_ms"], peer["p95_ms"]) == (30, 12.0, 19.0)  # of 5, 5.5 .. 19.5 the 15th and the 29th
    assert (peer["ratio"], peer["ratio_low"], peer["ratio_high"]) == (0.5, 0.5, 0.5)
    assert slow["ratio"] == pytest.approx(3)
    assert found["as_reference"]["peer"] == {"n": 60, "same": 60, "confidence_off": 0.0}


def test_a_ratio_is_of_the_same_question_and_its_interval_holds_it(raw):
    rng = np.random.default_rng(1)
    for answer, noise in zip(raw["kinds"]["choice"]["said"]["peer"], rng.normal(2, 0.2, COUNT), strict=False):
        answer["ms"] *= noise  # now as long as ours, and ours is spread fourfold
    for at, answer in enumerate(raw["kinds"]["free"]["said"]["peer"]):
        answer["ms"] = (10 + at) * (2 if at < 18 else 0.1)
    kinds = figures.summary(raw, NAMES, KINDS)["kinds"]
    assert kinds["free"]["peer"]["ratio"] == pytest.approx(2), "the median of ratios, not the ratio of medians"
    one = kinds["choice"]["peer"]
    assert one["ratio_low"] < one["ratio"] < one["ratio_high"] and one["ratio_low"] < 1 < one["ratio_high"]
    assert one["ratio_high"] - one["ratio_low"] < 0.2, "the spread between questions is no part of it"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (lambda raw: raw["systems"].pop("peer"), "no results of peer"),
        (lambda raw: raw["kinds"].pop("free"), f"free: expected 30 answers of {OURS}, got 0"),
        (lambda raw: raw["kinds"]["free"]["said"]["peer"].pop(), "free: expected 30 answers of peer, got 29"),
        (
            lambda raw: raw["kinds"]["choice"]["said"]["peer"][7].update(prompt="choice-8"),
            "choice, question 7, peer: expected a prompt",
        ),
        (lambda raw: raw["kinds"]["explained"]["said"]["peer"][0].update(tokens_out=48), "expected 49 tokens, got 48"),
        (lambda raw: raw["kinds"]["choice"]["said"][OURS][0].update(answer="E"), "expected a letter, got 'E'"),
        (lambda raw: raw["kinds"]["choice"]["said"][OURS][0].update(ms=0.0), "expected a time above 0"),
        (lambda raw: raw.update(foreign_share=0.2), "other programs took 20%"),
        (
            lambda raw: [
                answer.update(answer="A")
                for kind in ("choice", "explained")
                for answer in raw["kinds"][kind]["said"]["peer"]
            ],
            "peer gives the letter of transformers fp32 to 27%",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(raw, broken, named):
    broken(raw)
    with pytest.raises(figures.Refused) as refused:
        figures.check(raw, NAMES, KINDS, PROMPTS)
    assert named in str(refused.value)


def test_too_few_questions_are_refused_and_a_noisy_machine_can_be_accepted(raw):
    with pytest.raises(figures.Refused, match="expected 30 questions or more, got 29"):
        figures.check(raw, NAMES, KINDS, {name: prompts[:-1] for name, prompts in PROMPTS.items()})
    raw["foreign_share"] = 0.2
    figures.check(raw, NAMES, KINDS, PROMPTS, noisy=True)


def test_the_table_says_who_took_how_long(raw):
    table = figures.table(raw, figures.summary(raw, NAMES, KINDS), KINDS)
    assert (
        f"| {OURS} | 24.0 | 38.0 | 1 | 100 |" in table and "| peer | 12.0 | 19.0 | 0.50 (0.50 to 0.50) | 40 |" in table
    )
    assert "other programs took 1.0%" in table and "60 of 60" in table and table.count("n = 30") == len(KINDS)


class Scripted(System):
    """Answers at once, and keeps who was asked what."""

    def __init__(self, name, asked):
        super().__init__(name, "scripted", None)
        self.asked, self.closed = asked, 0

    def process(self, kind):
        return None

    def ask(self, kind, question):
        self.asked.append((kind.name, question, self.name))
        if question is None:
            raise SystemFailed("no more")
        return Said(1.0, 1.0, "A", 0.5, kind.tokens_out)

    def memory(self):
        return {"rss_kib": 1, "peak_rss_kib": 1}

    def close(self):
        self.closed += 1


def test_all_are_asked_a_question_before_anyone_is_asked_the_next():
    asked = []
    three = [Scripted(name, asked) for name in NAMES]
    for system in three:
        system.processes[False] = Still()
    found = run.measure(three, (CHOICE, FREE), count=5, warm_up=2)
    rounds = [asked[at : at + 3] for at in range(0, len(asked), 3)]
    assert len(rounds) == 2 * (5 + 2)
    assert all(
        len({question for _, question, _ in one}) == 1 and {name for *_, name in one} == set(NAMES) for one in rounds
    )
    assert len({tuple(name for *_, name in one) for one in rounds}) > 2, "the order within a round is drawn anew"
    assert len({question for _, question, _ in asked}) == len(rounds), "no question comes twice"
    for kind in (CHOICE, FREE):
        of_kind = [question for name, question, _ in asked if name == kind.name]
        assert found["kinds"][kind.name]["questions"] == of_kind[6::3], "the first two rounds are no samples"
        assert {len(answers) for answers in found["kinds"][kind.name]["said"].values()} == {5}
    assert found["systems"].keys() == set(NAMES) and [system.closed for system in three] == [1, 1, 1]


def test_a_system_that_fails_ends_the_run_and_all_are_closed(monkeypatch):
    monkeypatch.setattr(type(CHOICE), "questions", lambda kind: iter(["one", None]))
    three = [Scripted(name, []) for name in NAMES]
    for system in three:
        system.processes[False] = Still()
    with pytest.raises(SystemFailed):
        run.measure(three, (CHOICE,), count=1, warm_up=1)
    assert [system.closed for system in three] == [1, 1, 1]


class Still:
    """A process that uses no processor."""

    def cpu_s(self):
        return 0.0


def state(process):
    return Path(f"/proc/{process.child.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_process_is_stopped_while_it_is_not_asked():
    echo = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
    process = Process("echo", [sys.executable, "-c", echo], 1)
    try:
        for at in range(3):
            answer, took = process.ask({"at": at})
            assert answer == {"at": at} and took > 0
            assert wait_for(lambda: state(process) == "T")
        assert process.memory()["rss_kib"] > 0 and process.cpu_s() >= 0
    finally:
        process.close()


def test_a_process_that_ends_is_named_with_what_it_complained_of():
    process = Process("broken", [sys.executable, "-c", "import sys; sys.exit('no such model')"], 1)
    try:
        with pytest.raises(SystemFailed, match="(?s)broken ended.*no such model"):
            process.ask({})
    finally:
        process.close()


def wait_for(condition):
    """Is it true in the end? A signal takes its time to arrive."""
    return any(condition() for _ in range(100_000))


class Counting(worker.Driver):
    """Encodes words, and says of each token the next number. Its letters and ` Because` are tokens 0 to 4."""

    words = (*CHOICES, BECAUSE)

    def __init__(self):
        super().__init__()
        self.cache, self.fed = [], []

    def encode(self, text):
        if text in self.words:
            return [self.words.index(text)]
        return [10 + sum(map(ord, word)) % 80 for word in text.split()]

    def rewind(self, length):
        del self.cache[length:]

    def feed(self, tokens):
        self.fed.append(list(tokens))
        self.cache += tokens
        logits = np.zeros(100, np.float32)
        logits[self.cache[-1] + 1 if self.cache[-1] < 99 else 0] = 9
        logits[self.words.index(" C")] += 5
        return logits


def test_a_peer_reads_only_what_the_last_question_did_not_leave():
    asked = worker.Asked(driver := Counting())
    one, other = itertools.islice(CHOICE.questions(), 2)
    first, second = asked.answer("choice", one), asked.answer("choice", other)
    shared = len(driver.encode(CHOICE.before))
    assert first["tokens_read"] == first["tokens_in"] and first["answer"] == "C" and first["tokens_out"] == 1
    assert first["confidence"] == pytest.approx(np.exp(5) / (np.exp(5) + 3))
    assert second["tokens_in"] - second["tokens_read"] >= shared, "the beginning is kept"
    assert driver.cache == driver.held == driver.encode(CHOICE.prompt(other)), "and nothing of the other question"
    again = asked.answer("choice", other)
    assert again["tokens_read"] == 1 and again["prompt"] == second["prompt"] != first["prompt"]


def test_a_peer_writes_as_many_tokens_as_are_asked_behind_what_it_answered():
    asked = worker.Asked(driver := Counting())
    free = asked.answer("free", next(FREE.questions()))
    start = driver.encode(ASKS)[0]
    assert free["written"] == [start + 1 + at for at in range(8)] and free["tokens_out"] == FREE.tokens_out
    explained = asked.answer("explained", next(EXPLAINED.questions()))
    assert explained["tokens_out"] == EXPLAINED.tokens_out == 1 + RATIONALE_TOKENS == 1 + len(explained["written"])
    assert [2, 4] in driver.fed, "C Because, in one run"
    assert driver.cache == driver.held, "a next question knows what is in the cache"


def test_our_tokenizer_is_the_published_one_but_for_four_names():
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [
        ("Ġ", ":"),
        ("Ġ:", ":"),
        ("B", "e"),
        ("Ġ", "Be"),
        ("ĠBe", "c"),
        ("ĠBec", "a"),
        ("ĠBeca", "u"),
        ("ĠBecau", "s"),
        ("ĠBecaus", "e"),
        ("o", "i"),
    ]
    vocabulary = {
        token: at
        for at, token in enumerate(dict.fromkeys([THINKS, ENDS, *pieces, *("".join(merge) for merge in merges)]))
    }
    published = Tokenizer(models.BPE(vocabulary, merges))
    published.pre_tokenizer, published.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    published.add_special_tokens([THINKS, ENDS])
    ours = weights.renamed(published)
    ours.encode_special_tokens = True
    assert ours.get_vocab_size() == published.get_vocab_size()
    for control, token in weights.CONTROLS.items():
        assert ours.token_to_id(control) == published.token_to_id(token) and ours.token_to_id(token) is None
    for kind in KINDS:
        question = next(kind.questions())
        assert [
            *ours.encode(kind.template.format(question=question)).ids,
            ours.token_to_id("<|answer|>"),
        ] == published.encode(kind.prompt(question)).ids
    assert not {"<|answer|>", "<|why|>"} & set(ours.encode("oil : A Because <|answer|>").tokens), "nobody can type them"
    with pytest.raises(weights.WeightsError, match="lacks"):
        weights.renamed(ours)
