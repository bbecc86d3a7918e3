"""The reference decoder: the same scores, thinking, calculator and agreement as the Rust runtime, over the same graph.

Everything the workshop measures on a student, it measures through this, on the int8 graph that ships. Judges nothing:
thresholds are `Calibration`'s, and `decide` is the one place that reads them.

How tokens are cut into runs is part of the contract, because int8 scales are taken over a whole run: the question and its
control token go in one run, each written token in its own, and `=`, a calculator's result and `>>` in one.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the library loads

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from .. import calculator
from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, END, THINK, WHY
from ..task import Task


def session(path: Path, threads: int = 1, optimised_to: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Without it, int8 products saturate silently on AVX2 without VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if optimised_to:
        options.optimized_model_filepath = str(optimised_to)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Decoder:
    """The graph and one cache. To rewind is to feed at an earlier place."""

    def __init__(self, model: Path, threads: int = 1):
        self.session = session(model, threads)
        self.binding = self.session.io_binding()
        self.binding.bind_output("logits")  # outputs come back in the order of binding: logits first
        for past in self.session.get_inputs():
            if past.name.startswith("past_key_values."):
                cache = ort.OrtValue.ortvalue_from_numpy(np.zeros(past.shape, np.float32))  # (1, kv_heads, max_len, head_dim)
                self.binding.bind_ortvalue_input(past.name, cache)
                self.binding.bind_ortvalue_output(past.name.replace("past_key_values", "present"), cache)
                self.max_len = past.shape[2]

    def feed(self, tokens: list[int], at: int) -> np.ndarray:
        """Runs `tokens` from place `at` on; returns the logits (vocabulary,) after the last of them."""
        total = at + len(tokens)
        if total > self.max_len:
            raise ValueError(f"expected at most {self.max_len} tokens, got {total}")
        self.binding.bind_cpu_input("input_ids", np.array([tokens], np.int64))
        self.binding.bind_cpu_input("position_ids", np.arange(at, total, dtype=np.int64)[None])
        self.binding.bind_cpu_input("seqlens_k", np.array([total - 1], np.int32))
        self.binding.bind_cpu_input("total_sequence_length", np.array(total, np.int32))
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()[0].numpy()[0]


class ThinkingFailed(Exception):
    """The rationale holds a malformed expression, or does not end in time."""


@dataclass(frozen=True)
class Thought:
    scores: np.ndarray  # (choices,) log-probabilities after the rationale
    rationale: list[int]


@dataclass(frozen=True)
class Explanation:
    text: str
    tokens: int
    leads_to: int  # index of the choice that the rationale leads to
    strength: float  # probability of the explained choice after the rationale


class Writer:
    """Decodes greedily, with the calculator."""

    def __init__(self, decoder: Decoder, encoder: Encoder, tokens_max: int):
        self.decoder, self.encoder, self.tokens_max = decoder, encoder, tokens_max

    def write(self, tokens: list[int], at: int, stop: int) -> list[int]:
        """Feeds `tokens` at place `at`, then decodes greedily until `stop`; returns what stands between."""
        logits = self.decoder.feed(tokens, at)
        at += len(tokens)
        written: list[int] = []
        mark: int | None = None  # where the open calculator mark's expression starts in `written`
        while len(written) < self.tokens_max:
            token = int(logits.argmax())
            if token == stop:
                return written
            run = [token]
            if token == self.encoder.equals and mark is not None:
                run += self._result(written[mark:])
                mark = None
            elif token == self.encoder.close:
                mark = None
            written += run
            if token == self.encoder.open:
                mark = len(written)
            if len(written) > self.tokens_max:
                break
            logits = self.decoder.feed(run, at)
            at += len(run)
        raise ThinkingFailed("the rationale does not end in time")

    def _result(self, expression: list[int]) -> list[int]:
        try:
            result = calculator.evaluate(self.encoder.tokenizer.decode(expression, skip_special_tokens=False))
        except calculator.CalculatorError as err:
            raise ThinkingFailed(str(err)) from err
        return [*self.encoder.text(result), self.encoder.close]


class Answerer:
    """One student asked one question at a time; `ask` first, then think or explain about the same question."""

    def __init__(self, model: Path, tokenizer: Tokenizer, task: Task, threads: int = 1):
        self.decoder = Decoder(model, threads)
        self.encoder = Encoder(tokenizer)
        self.writer = Writer(self.decoder, self.encoder, task.rationale_tokens_max)
        self.task = task
        self.choices = [self.encoder.text(text) for text in task.texts]
        self.first_tokens = [tokens[0] for tokens in self.choices]
        if len(set(self.first_tokens)) < len(self.first_tokens):
            raise ValueError("the choices' first tokens are not distinct")
        self.question: list[int] = []

    def ask(self, question: str) -> np.ndarray | None:
        """First scores, (choices,) log-probabilities; None for a question that is empty or too long to be asked."""
        self.question = self.encoder.text(question)
        if not 0 < len(self.question) <= self.task.question_tokens_max:
            return None
        return self._scores(self.decoder.feed([*self.question, self.encoder.control[ANSWER]], 0))

    def think(self) -> Thought:
        """Writes a rationale after the question and scores the choices after it."""
        at = len(self.question)
        rationale = self.writer.write([self.encoder.control[THINK]], at, self.encoder.control[ANSWER])
        answer = self.encoder.control[ANSWER]
        return Thought(self._scores(self.decoder.feed([answer], at + 1 + len(rationale))), rationale)

    def explain(self, choice: int) -> Explanation:
        """The rationale for an answer already given, and whether it leads back to that answer."""
        control, at = self.encoder.control, len(self.question)
        rationale = self.writer.write([control[ANSWER], *self.choices[choice], control[WHY]], at, control[END])
        scores = self._scores(self.decoder.feed([control[THINK], *rationale, control[ANSWER]], at))
        text = self.encoder.tokenizer.decode(rationale, skip_special_tokens=False)
        return Explanation(text, len(rationale), int(scores.argmax()), float(softmax(scores)[choice]))

    def _scores(self, logits: np.ndarray) -> np.ndarray:
        return log_softmax(logits.astype(np.float64))[self.first_tokens]


@dataclass(frozen=True)
class Calibration:
    """What turns scores into confidences, and from which confidence on an answer is given."""

    temperature: float
    threshold: float
    first_weight: float
    think_weight: float
    think_threshold: float

    def first(self, scores: np.ndarray) -> np.ndarray:
        """(…, choices) scores to the first posterior."""
        return softmax(scores / self.temperature)

    def joint(self, first: np.ndarray, think: np.ndarray) -> np.ndarray:
        """Both scores to the joint posterior."""
        return softmax(self.first_weight * first + self.think_weight * think)


@dataclass(frozen=True)
class Outcome:
    first: np.ndarray  # (choices,) first posterior
    posterior: np.ndarray  # (choices,) the one decided on; the joint posterior after thinking
    answered: bool  # else a person is asked
    mode: str  # answer_first or think_first
    think_tokens: int = 0

    @property
    def choice(self) -> int:
        """The likeliest, whatever the decision."""
        return int(self.posterior.argmax())

    @property
    def confidence(self) -> float:
        return float(self.posterior.max())


def decide(answerer: Answerer, calibration: Calibration, question: str) -> Outcome | None:
    """The cascade: the first answer if sure, else think, else a person. None for a question that cannot be asked."""
    scores = answerer.ask(question)
    if scores is None:
        return None
    person = [choice.person for choice in answerer.task.choices]
    first = calibration.first(scores)
    if first.max() >= calibration.threshold:
        return Outcome(first, first, not person[first.argmax()], "answer_first")
    try:
        thought = answerer.think()
    except ThinkingFailed:
        return Outcome(first, first, False, "think_first", answerer.task.rationale_tokens_max)
    joint = calibration.joint(scores, thought.scores)
    answered = joint.max() >= calibration.think_threshold and not person[joint.argmax()]
    return Outcome(first, joint, bool(answered), "think_first", len(thought.rationale))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(log_softmax(x))


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))
