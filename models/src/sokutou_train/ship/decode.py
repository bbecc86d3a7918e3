"""The reference decoder: the same scores, thinking, calculator and agreement as the Rust runtime, over the same graph.

Everything the toolkit measures on a student, it measures through this, on the int8 graph that ships. Judges nothing:
thresholds are `Calibration`'s, and `decide` is the one place that reads them.

How tokens are cut into runs is part of the contract, because int8 scales are taken over a whole run: the prompt and its
control token go in one run, each written token in its own, `=`, a calculator's result and `>>` in one; what is read
back (y with `<|why|>`, r with `<|answer|>`) in one run too, but a free answer behind a rationale token by token, as it
would be written.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the library loads

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from .. import calculator
from ..distil.sequences import Encoder
from ..distil.vocabulary import ANSWER, END, MARKS, THINK, WHY
from ..pair import Pair
from ..task import ClosedChoices, Group, Task

NEVER = (
    1.0  # a threshold that nothing reaches, not even a confidence that is rounded to 1: no risk bound could be proved
)


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
                cache = ort.OrtValue.ortvalue_from_numpy(
                    np.zeros(past.shape, np.float32)
                )  # (1, kv_heads, max_len, head_dim)
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


def greedy(decoder: Decoder, logits: np.ndarray, at: int) -> Iterator[tuple[int, float]]:
    """From `logits` (vocabulary,), the likeliest token with its log-probability, and so on without end: each is fed,
    from place `at` on, when the next is asked for."""
    for place in itertools.count(at):
        scores = log_softmax(logits.astype(np.float64))
        token = int(scores.argmax())
        yield token, float(scores[token])
        logits = decoder.feed([token], place)


class ThinkingFailed(Exception):
    """The rationale holds a malformed expression, or does not end in time."""


@dataclass(frozen=True)
class Scores:
    """A look at a closed answer set."""

    values: np.ndarray  # (choices,) log-probabilities, not normalised over the set
    texts: tuple[str, ...]  # of the choices


@dataclass(frozen=True)
class GeneratedText:
    """A free answer, as it was written greedily."""

    text: str  # trimmed; "" where no answer came: nothing was written, or it did not end in time
    tokens: list[int]
    score: float  # log-probability of the tokens and of the control token that closes them, over the whole vocabulary


Prediction = Scores | GeneratedText


def scores(look: Prediction | None) -> Scores:
    """The look at a closed answer set. Raises `TypeError` where it is another."""
    if not isinstance(look, Scores):
        raise TypeError(f"expected scores of a closed answer set, got {look}")
    return look


def written(look: Prediction | None) -> GeneratedText:
    """The look at a free answer. Raises `TypeError` where it is another."""
    if not isinstance(look, GeneratedText):
        raise TypeError(f"expected a free answer, got {look}")
    return look


@dataclass(frozen=True)
class Thought:
    look: Prediction  # after the rationale
    rationale: list[int]


@dataclass(frozen=True)
class Explanation:
    text: str
    tokens: int
    leads_to: str  # the answer that the rationale leads to; "" where that is none
    strength: float  # probability of the explained answer after the rationale


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
        return [*self.encoder.text(result), self.encoder.id(MARKS[-1])]


class Answerer:
    """One task of a student, asked one question at a time; `ask` first, then think or explain about the same question.
    Answers of both kinds are texts: a choice's, or a free one."""

    def __init__(self, decoder: Decoder, encoder: Encoder, task: Task):
        self.decoder, self.encoder, self.task = decoder, encoder, task
        self.writer = Writer(decoder, encoder, task.rationale_tokens_max)
        self.choices = {text: encoder.text(text) for text in task.texts}
        self.first_tokens = encoder.first_tokens(task.texts)
        self.closing = [encoder.control[token] for token in (WHY, END)]
        self.prompt: list[int] = []
        self.written: dict[str, list[int]] = {}  # tokens of the free answers that the question has had

    def ask(self, question: str) -> Prediction | None:
        """The first look; None for a question that is empty, or with which the prompt is too long."""
        self.prompt, self.written = self.encoder.text(self.task.template.replace("{question}", question.strip(), 1)), {}
        if not question.strip() or len(self.prompt) > self.task.question_tokens_max:
            return None
        return self._look([*self.prompt, self.encoder.control[ANSWER]], 0)

    def think(self) -> Thought:
        """Writes a rationale after the question and looks where it leads."""
        at, answer = len(self.prompt), self.encoder.control[ANSWER]
        rationale = self.writer.write([self.encoder.control[THINK]], at, answer)
        return Thought(self._look([answer], at + 1 + len(rationale)), rationale)

    def explain(self, answer: str) -> Explanation:
        """The rationale for an answer already given, and whether it leads back to that answer."""
        control, at, given = self.encoder.control, len(self.prompt), self._tokens(answer)
        rationale = self.writer.write([control[ANSWER], *given, control[WHY]], at, control[END])
        read = [control[THINK], *rationale, control[ANSWER]]
        look = self._look(read, at)
        if isinstance(look, Scores):
            leads_to, strength = look.texts[int(look.values.argmax())], softmax(look.values)[look.texts.index(answer)]
        else:
            leads_to = look.text
            strength = np.exp(look.score if leads_to == answer else self._score(read, at, given))
        return Explanation(
            self.encoder.tokenizer.decode(rationale, skip_special_tokens=False),
            len(rationale),
            leads_to,
            float(strength),
        )

    def _look(self, run: list[int], at: int) -> Prediction:
        """Feeds `run`, which ends in `<|answer|>`, at place `at`, and reads the answer."""
        logits = self.decoder.feed(run, at)
        if isinstance(self.task.answers, ClosedChoices):
            return Scores(log_softmax(logits.astype(np.float64))[self.first_tokens], tuple(self.choices))
        tokens: list[int] = []
        score = 0.0
        for token, likely in greedy(self.decoder, logits, at + len(run)):
            score += likely
            if token in self.closing:
                text = self.encoder.tokenizer.decode(tokens).strip()
                self.written.setdefault(text, tokens)
                return GeneratedText(text, tokens, score)
            if len(tokens) == self.task.answers.tokens_max:
                break
            tokens.append(token)
        return GeneratedText("", tokens, score)

    def _score(self, run: list[int], at: int, answer: list[int]) -> float:
        """Log-probability that `answer` is written after `run`, and closed by the likelier of the two tokens that
        may."""
        total = 0.0
        for token in answer:
            total += float(log_softmax(self.decoder.feed(run, at).astype(np.float64))[token])
            run, at = [token], at + len(run)
        return total + float(log_softmax(self.decoder.feed(run, at).astype(np.float64))[self.closing].max())

    def _tokens(self, answer: str) -> list[int]:
        """As they were written; of a free answer that the question has not had, as it is taught."""
        if isinstance(self.task.answers, ClosedChoices):
            return self.choices[answer]
        return self.written.get(answer) or self.encoder.free_text(answer)


def decoders(graphs: Mapping[str, Path]) -> dict[str, Decoder]:
    """By task, a decoder of the graph that answers it; tasks of one graph share it."""
    opened = {graph: Decoder(graph) for graph in set(graphs.values())}
    return {task: opened[graph] for task, graph in graphs.items()}


@dataclass(frozen=True)
class Belief:
    """What is made of one look or two."""

    answer: str  # the likeliest; "" where no answer came
    confidence: float  # 0 where no answer came
    posterior: np.ndarray | None = None  # (choices,) of a closed answer set
    contradicted: bool = False  # of two looks: it is what the first one said, and the thought alone says otherwise


@dataclass(frozen=True)
class Calibration:
    """What turns looks into confidences, and from which confidence on an answer is given.

    With s the scores of a look, T the temperature, a and b the weights: a closed answer set has the posterior
    softmax(s1 / T) at once and softmax(a s1 + b s2) after thinking. A free answer has no set to be normalised over, so
    its confidence is the probability of its text: exp(s1 / T) at once; after thinking exp(a s1 + b s2) where both looks
    wrote the same, else, for the second text, exp(b s2) (1 - exp(s1 / T)).
    """

    temperature: float
    threshold: float
    first_weight: float
    think_weight: float
    think_threshold: float
    think_first: bool = False  # however sure the first answer is
    groups: tuple[tuple[Group, Calibration], ...] = ()  # of questions with a calibration of their own

    def of(self, task: Task, pair: Pair) -> Calibration:
        """The calibration of the pair's question: its group's, or where none fits this one."""
        near = task.is_near(pair)
        return next((own for group, own in self.groups if group.fits(near, pair.lang)), self)

    def first(self, look: Prediction) -> Belief:
        if isinstance(look, Scores):
            return _likeliest(look.values / self.temperature, look.texts)
        return Belief(look.text, probability(look.score / self.temperature) if look.text else 0.0)

    def joint(self, first: Prediction, think: Prediction) -> Belief:
        if isinstance(first, Scores):
            thought = scores(think).values
            belief = _likeliest(self.first_weight * first.values + self.think_weight * thought, first.texts)
            said, alone = (first.texts[int(values.argmax())] for values in (first.values, thought))
            return replace(belief, contradicted=belief.answer == said != alone)
        think = written(think)
        if not think.text:
            return Belief("", 0.0)
        if think.text == first.text:
            confidence = probability(self.first_weight * first.score + self.think_weight * think.score)
        else:
            confidence = probability(self.think_weight * think.score) * (1 - self.first(first).confidence)
        return Belief(think.text, confidence)


@dataclass(frozen=True)
class Outcome:
    first: Belief
    last: Belief  # the one decided on; after thinking, of both looks
    answered: bool  # else a person is asked
    mode: str  # answer_first or think_first
    think_tokens: int = 0


def decide(answerer: Answerer, calibration: Calibration, question: str) -> Outcome | None:
    """The cascade: the first answer if sure, else think, else a person; a person too where the thought alone
    contradicts the first answer, and both together do not. `calibration` is that of the question's group. None for a
    question that cannot be asked."""
    look = answerer.ask(question)
    if look is None:
        return None
    task, first = answerer.task, calibration.first(look)
    sure = first.answer and not calibration.think_first and _reaches(first.confidence, calibration.threshold)
    if sure:
        return Outcome(first, first, task.is_answer(first.answer), "answer_first")
    try:
        thought = answerer.think()
    except ThinkingFailed:
        return Outcome(first, first, False, "think_first", task.rationale_tokens_max)
    joint = calibration.joint(look, thought.look)
    if not joint.answer:  # the first answer is a guess, and a person is asked
        return Outcome(first, first, False, "think_first", len(thought.rationale))
    answered = (
        _reaches(joint.confidence, calibration.think_threshold)
        and task.is_answer(joint.answer)
        and not joint.contradicted
    )
    return Outcome(first, joint, answered, "think_first", len(thought.rationale))


def _reaches(confidence: float, threshold: float) -> bool:
    return threshold < NEVER and confidence >= threshold


def probability(log: float) -> float:
    return float(np.exp(min(log, 0.0)))


def _likeliest(scores: np.ndarray, texts: tuple[str, ...]) -> Belief:
    posterior = softmax(scores)
    best = int(posterior.argmax())
    return Belief(texts[best], float(posterior[best]), posterior)


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(log_softmax(x))


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))
