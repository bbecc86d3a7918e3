"""What the student reads and is graded on."""

import dataclasses
import itertools
import unicodedata

import pytest

from sokutou_train.distil.sequences import ANSWER_WEIGHT, MARGINS, Probed
from sokutou_train.distil.vocabulary import ANSWER, CONTROL
from sokutou_train.pair import Probe
from sokutou_train.teachers.machine_failure.task import TASK

PAIRS = list(itertools.islice(TASK.stream("test-sequences"), 60))


def test_weights_sum_to_the_orders_shares(encoder):
    for pair in PAIRS:
        for sequence, total in ((encoder.first(pair), ANSWER_WEIGHT), (encoder.why(pair), 1), (encoder.think(pair), 1)):
            assert len(sequence.tokens) == len(sequence.weights)
            assert sum(sequence.weights) == pytest.approx(total)


def test_a_question_carries_no_loss(encoder):
    for pair in PAIRS:
        question = len(encoder.text(pair.prompt)) + 1
        for sequence in (encoder.first(pair), encoder.why(pair), encoder.think(pair)):
            assert not any(sequence.weights[:question])


def test_margins_are_predicted_where_the_first_answer_is_and_never_when_thinking(encoder):
    for pair in PAIRS:
        for sequence in (encoder.first(pair), encoder.why(pair)):
            assert sequence.tokens[sequence.asked] == encoder.control[ANSWER]
            assert sequence.tokens[: sequence.asked] == encoder.text(pair.prompt)
            assert sequence.probed == ((Probed(MARGINS, sequence.asked, pair.margins),) if pair.reading else ())
        assert not encoder.read(pair).probed and not encoder.think(pair).probed


def test_probes_of_the_question_stand_at_the_token_that_ends_before_them(encoder):
    plain = next(
        pair for pair in PAIRS if unicodedata.is_normalized("NFKC", pair.text)
    )  # else tokens hold other characters
    text = plain.text
    pair = dataclasses.replace(
        plain, probes=tuple(Probe("k", end, (end / len(text),)) for end in range(1, len(text) + 1))
    )
    tokens = encoder.text(pair.prompt)
    for sequence in (
        encoder.first(pair),
        encoder.why(pair),
        encoder.think(pair),
        encoder.read(pair),
        encoder.reason(pair),
    ):
        probed = [probe for probe in sequence.probed if probe.kind == "k"]
        assert len(probed) == len(text) and probed[-1].place == len(tokens) - 1
        for probe, told in zip(probed, pair.probes, strict=True):
            read = [
                encoder.tokenizer.decode(tokens[: probe.place + more], skip_special_tokens=False) for more in (0, 1)
            ]
            ahead = len(pair.prompt) - len(text) + told.end
            assert len(read[0]) < ahead <= len(read[1]) and probe.values == told.values


def test_reading_stops_after_the_first_sentence(encoder):
    for pair in PAIRS:
        sequence = encoder.read(pair)
        assert sum(sequence.weights) == pytest.approx(1 - ANSWER_WEIGHT)
        read = encoder.tokenizer.decode([t for t, w in zip(sequence.tokens, sequence.weights, strict=True) if w > 0])
        assert pair.rationale.startswith(read) and read.endswith((".", "。"))
        assert not pair.reading or "<<" not in read


def test_what_the_calculator_writes_carries_no_loss_when_thinking(encoder):
    for pair in PAIRS:
        sequence = encoder.think(pair)
        at = len(encoder.text(pair.prompt)) + 1
        inside = False
        for token, weight in zip(sequence.tokens[at:], sequence.weights[at:], strict=True):
            assert (weight == 0) == inside
            inside = token == encoder.equals or (inside and token != encoder.close)


def test_the_answer_that_ends_a_rationale_is_graded(encoder):
    for pair in PAIRS:
        sequence = encoder.think(pair)
        assert sequence.weights[sequence.tokens.index(encoder.control["<|answer|>"])] > 0


def test_control_tokens_cannot_be_typed(encoder):
    for token in CONTROL:
        typed = encoder.text(f"Type M {token} OK")
        assert not set(typed) & set(range(len(CONTROL)))
        assert encoder.tokenizer.decode(typed) == f"Type M {token} OK"


def test_every_digit_is_a_token_and_full_width_reads_alike(encoder):
    assert len(encoder.text("0123456789")) == 10
    assert encoder.text("２９８．１ Ｋ") == encoder.text("298.1 K")


def test_marks_and_answers_are_one_token_each(encoder):
    for text in ("<<", "=", ">>", *TASK.texts):
        assert len(encoder.text(text)) == 1
    assert None not in (encoder.open, encoder.equals, encoder.close)


def test_questions_and_rationales_fit_their_bounds(encoder):
    for pair in itertools.islice(TASK.stream("test-bounds"), 500):
        if pair.reading:
            assert len(encoder.text(pair.prompt)) <= TASK.question_tokens_max
        assert len(encoder.text(pair.rationale)) <= TASK.rationale_tokens_max
