"""What is read off a scripted student, and what is made of it; each value computed by hand."""

import dataclasses
import math

import numpy as np
import pytest

from sokutou_train.distil.sequences import Encoder
from sokutou_train.ship.bundle import bands
from sokutou_train.ship.decode import NEVER, Answerer, Calibration, GeneratedText, Scores, decide, softmax
from sokutou_train.teachers import toy

SURE = 0.9  # probability of what the script says; all other tokens share the rest


class Script:
    """Stands for a decoder: after what was fed until then, the token that is next, by its end; else a token that says
    nothing."""

    def __init__(self, vocabulary: int):
        self.vocabulary, self.fed, self.runs = vocabulary, [], []
        self.next: dict[tuple[int, ...], int] = {}

    def feed(self, tokens, at):
        self.fed[at:] = tokens
        self.runs.append(list(tokens))
        said = next((token for end, token in self.next.items() if tuple(self.fed[-len(end) :]) == end), 0)
        posterior = np.full(self.vocabulary, (1 - SURE) / (self.vocabulary - 1))
        posterior[said] = SURE
        return np.log(posterior)

    def writes(self, before: list[int], tokens: list[int]) -> None:
        for at, token in enumerate(tokens):
            self.next[(*before, *tokens[:at])] = token


@pytest.fixture
def answerer(encoder):
    encoder = Encoder(encoder.tokenizer, {"toy-digits"})
    return Answerer(Script(encoder.tokenizer.get_vocab_size()), encoder, toy.DIGITS)


def _says(answerer, then, text, closing="<|end|>", rationale=None):
    """The student writes `text` behind `then`, `<|answer|>` or the rationale and `<|answer|>`, and closes it."""
    control, encoder = answerer.encoder.control, answerer.encoder
    if rationale:
        answerer.decoder.writes([control["<|think|>"]], [*encoder.text(rationale), control["<|answer|>"]])
        then = [encoder.text(rationale)[-1], control["<|answer|>"]]
    answerer.decoder.writes(then, [*encoder.free_text(text), *([control[closing]] if closing else [])])
    return then


def _first(answerer):
    return [answerer.encoder.text("?")[-1], answerer.encoder.control["<|answer|>"]]


def test_a_free_answer_is_written_until_it_is_closed_and_scored_with_what_closes_it(answerer):
    _says(answerer, _first(answerer), "17", "<|why|>")
    look = answerer.ask(" 61 and 27? ")
    assert (look.text, look.score) == ("17", pytest.approx(3 * math.log(SURE)))
    prompt = answerer.encoder.text("toy-digits: 61 and 27?")
    one, seven = answerer.encoder.free_text("17")
    assert answerer.decoder.runs == [[*prompt, answerer.encoder.control["<|answer|>"]], [one], [seven]]


@pytest.mark.parametrize(("text", "closing"), [("", "<|end|>"), (" ", "<|end|>"), ("17171", "<|end|>"), ("1717", None)])
def test_nothing_and_what_does_not_end_in_time_are_no_answer(answerer, text, closing):
    _says(answerer, _first(answerer), text, closing)
    assert answerer.ask("61 and 27?").text == ""
    _says(answerer, _first(answerer), "1717")  # four tokens, and then the end, are just in time
    assert answerer.ask("61 and 27?").text == "1717"


def test_a_question_that_is_empty_or_too_long_is_not_asked(answerer):
    assert answerer.ask(" ") is None and answerer.ask("9" * 40) is None and not answerer.decoder.runs


def test_an_explanation_agrees_where_it_leads_to_the_same_text(answerer):
    _says(answerer, _first(answerer), "17", "<|why|>")
    control, encoder = answerer.encoder.control, answerer.encoder
    answerer.decoder.writes([control["<|why|>"]], [*encoder.text("so"), control["<|end|>"]])
    _says(answerer, [encoder.text("so")[-1], control["<|answer|>"]], "17")
    answerer.ask("61 and 27?")
    said = answerer.explain("17")
    assert (said.text, said.leads_to, said.strength) == ("so", "17", pytest.approx(SURE**3))
    # To another text: as likely as the given one would have been, its two tokens and the likelier end behind the same
    # rationale.
    answerer.decoder.next.clear()
    answerer.decoder.writes([control["<|why|>"]], [*encoder.text("so"), control["<|end|>"]])
    _says(answerer, [encoder.text("so")[-1], control["<|answer|>"]], "77")
    answerer.decoder.next[tuple(encoder.free_text("17"))] = control["<|why|>"]
    rest = (1 - SURE) / (answerer.decoder.vocabulary - 1)
    said = answerer.explain("17")
    assert (said.leads_to, math.log(said.strength)) == ("77", pytest.approx(math.log(rest**2 * SURE)))


CALIBRATION = Calibration(temperature=2.0, threshold=0.9, first_weight=0.5, think_weight=1.5, think_threshold=0.6)


def test_confidences_of_free_answers():
    one, same, other = (
        GeneratedText("17", [], math.log(0.64)),
        GeneratedText("17", [], math.log(0.9)),
        GeneratedText("71", [], math.log(0.9)),
    )
    nothing = GeneratedText("", [], -0.1)
    assert CALIBRATION.first(one).confidence == pytest.approx(0.8)  # the root of 0.64
    both = CALIBRATION.joint(one, same)
    assert (both.answer, both.confidence) == ("17", pytest.approx(0.8 * 0.9**1.5))
    two = CALIBRATION.joint(one, other)
    assert (two.answer, two.confidence) == ("71", pytest.approx(0.9**1.5 * (1 - 0.8)))
    assert CALIBRATION.joint(nothing, other).confidence == pytest.approx(0.9**1.5)
    for belief in (CALIBRATION.first(nothing), CALIBRATION.joint(one, nothing), CALIBRATION.joint(nothing, nothing)):
        assert (belief.answer, belief.confidence) == ("", 0.0)


def test_confidences_of_a_closed_answer_set():
    one, two = (Scores(np.log(values), ("A", "B")) for values in ([0.8, 0.1], [0.2, 0.6]))
    first = CALIBRATION.first(one)
    assert (first.answer, first.confidence) == ("A", pytest.approx(math.sqrt(8) / (1 + math.sqrt(8))))
    both = CALIBRATION.joint(one, two)
    assert both.answer == "B" and both.confidence == pytest.approx(1 / (1 + 8**0.5 / 3**1.5))
    assert both.posterior == pytest.approx(softmax(np.log([8**0.5, 3**1.5])))


def test_the_cascade_of_a_free_answer(answerer):
    first = _first(answerer)

    def decided(one, two, **changed):
        answerer.decoder.next.clear()
        _says(answerer, first, one)
        _says(answerer, None, two, rationale="so")
        found = decide(answerer, dataclasses.replace(CALIBRATION, **changed), "61 and 27?")
        return found.last.answer, found.mode, found.answered

    # Two tokens and the end at 0.9 each: 0.729 in probability, 0.85 at a temperature of 2; together 0.729 ** 2, apart
    # 0.09.
    assert decided("17", "17", threshold=0.85) == ("17", "answer_first", True)
    assert decided("17", "17", think_threshold=0.53) == ("17", "think_first", True)
    assert decided("17", "17", think_threshold=0.54) == ("17", "think_first", False)
    assert decided("17", "77", think_threshold=0.09) == ("77", "think_first", True)
    assert decided("17", "77", think_threshold=0.1) == ("77", "think_first", False)
    assert decided("", "77", think_threshold=0.6) == ("77", "think_first", True)
    assert decided("17", "", think_threshold=0.0) == ("17", "think_first", False)  # the first answer is a guess
    assert decided("", "", think_threshold=0.0) == ("", "think_first", False)


def test_nothing_reaches_a_threshold_that_was_not_proved(encoder):
    answerer = Answerer(Script(encoder.tokenizer.get_vocab_size()), encoder, toy.TASK)
    scores = Scores(np.array([0.0, -200.0, -200.0]), ("A", "B", "ASK"))
    answerer.ask = lambda question: scores
    answerer.think = lambda: type("Thought", (), {"look": scores, "rationale": [5]})
    never = Calibration(1.0, NEVER, 1.0, 1.0, NEVER)
    found = decide(answerer, never, "61 and 27?")
    assert found.last.confidence == 1.0 and not found.answered and found.mode == "think_first"
    assert decide(answerer, dataclasses.replace(never, think_threshold=0.99), "61 and 27?").answered


def test_who_thinks_first_gives_no_first_answer_however_sure(encoder):
    answerer = Answerer(Script(encoder.tokenizer.get_vocab_size()), encoder, toy.TASK)
    scores = Scores(np.array([0.0, -9.0, -9.0]), ("A", "B", "ASK"))
    answerer.ask = lambda question: scores
    answerer.think = lambda: type("Thought", (), {"look": scores, "rationale": [5]})
    sure = Calibration(1.0, 0.9, 1.0, 1.0, 0.9)
    assert decide(answerer, sure, "61 and 27?").mode == "answer_first"
    found = decide(answerer, dataclasses.replace(sure, think_first=True), "61 and 27?")
    assert found.answered and found.mode == "think_first"


def test_a_first_answer_that_the_thought_contradicts_is_never_given(encoder):
    answerer = Answerer(Script(encoder.tokenizer.get_vocab_size()), encoder, toy.TASK)
    first = Scores(np.array([0.0, -6.0, -9.0]), ("A", "B", "ASK"))
    answerer.ask = lambda question: first

    def thinks(*values):
        thought = type("Thought", (), {"look": Scores(np.array(values), first.texts), "rationale": [5]})
        answerer.think = lambda: thought
        found = decide(answerer, Calibration(1.0, NEVER, 1.0, 1.0, 0.5), "61 and 27?")
        return found.last.answer, found.answered

    assert thinks(0.0, -3.0, -9.0) == ("A", True)
    assert thinks(-3.0, 0.0, -9.0) == ("A", False)  # together they say A, at .95, and the thought alone says B
    assert thinks(-9.0, 0.0, -9.0) == ("B", True)  # the thought outweighs the first answer


def test_an_answer_that_stands_is_never_called_low():
    def fitted(first, think):
        return {"first": {"threshold": first}, "think": {"threshold": think}}

    assert bands(fitted(0.98, 0.57)) == {"high": 0.98, "medium": 0.57}
    assert bands(fitted(0.7, NEVER))["medium"] == 0.7
    assert bands(fitted(0.99, NEVER))["medium"] == 0.8
    assert bands({**fitted(NEVER, NEVER), "groups": [fitted(NEVER, 0.75)]})["medium"] == 0.75
