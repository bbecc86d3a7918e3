"""What is read out of a teacher's reply, in the shapes that teachers give it, and what makes no pair."""

import pytest

from sokutou_train.pair import Pair
from sokutou_train.teachers.endpoint import asking
from sokutou_train.teachers.endpoint.asking import Dropped

LETTER = {"choices": ("a stone", "a cork", "4"), "answer": "B"}
NUMBER, YES, TEXT, OPEN = {"answer": "1234.5"}, {"answer": "yes"}, {"answer": "Karl Benz"}, {"answer": ""}


def judged(question, text, finish="stop", **more):
    return asking.judge(Pair(id="q-1", task="t", question="?", **question, **more), 2, "teacher", text, finish)


@pytest.mark.parametrize(
    ("question", "said", "answer"),
    [
        (LETTER, "Answer: B", "B"),
        (LETTER, "**Answer:** (b).", "B"),
        (LETTER, "## Final answer: Option B", "B"),
        (LETTER, "The correct answer is: B: a cork", "B"),
        (LETTER, "Answer: A cork", "B"),  # begins with a letter that is none
        (LETTER, "So the answer is **B**.", "B"),
        (LETTER, "Answer:\n\nB", "B"),
        (LETTER, "答え: 選択肢Bです。", "B"),
        (LETTER, "最終的な答えは： 「Ｂ」", "B"),
        (NUMBER, "Answer: 1,234.50 kg", "1234.5"),
        (NUMBER, "Thus \\boxed{1234.5}", "1234.5"),
        (NUMBER, "答え: １２３４．５です", "1234.5"),
        ({"answer": "-3"}, "Answer: \N{MINUS SIGN}3", "-3"),
        (YES, "Answer: Yes, it is.", "yes"),
        (YES, "答え: はい", "yes"),
        ({"answer": "いいえ"}, "Answer: no", "いいえ"),
        (TEXT, 'Answer: "karl  benz".', "Karl Benz"),
        (OPEN, "Answer: 1,234", "1234"),
        (OPEN, "Answer: 12 kg", "12 kg"),
        (OPEN, "答え: いいえ。", "no"),
        (OPEN, "Answer: No one", "No one"),
        (OPEN, "Answer: The answer is Karl Benz", "Karl Benz"),
        (OPEN, "答え: 東京", "東京"),
    ],
)
def test_the_answer_is_read(question, said, answer):
    pair = judged(question, f"Because of this.\nAnd that.\n\n{said}\n")
    assert isinstance(pair, Pair), pair
    assert pair.answer == answer
    if ":" in said or "：" in said:  # a line that says the answer is no reason
        assert pair.rationale == "Because of this.\nAnd that."


def test_a_pair_says_whose_it_is_and_keeps_what_the_question_says():
    pair = judged(
        TEXT,
        "答え: Karl Benz\n理由。",
        lang="ja",
        difficulty=3,
        kind="k",
        rationale="of somebody else",
        teacher="another",
    )
    assert pair == Pair(
        id="q-1-2",
        task="t",
        question="?",
        answer="Karl Benz",
        rationale="理由。",
        teacher="teacher",
        lang="ja",
        difficulty=3,
        kind="k",
    )


def test_what_a_reasoning_model_thinks_is_left_out():
    assert judged(YES, "<think>Answer: no\nHm.</think>It is.\nAnswer: yes").rationale == "It is."
    assert judged(YES, "<think>It is.\nAnswer: yes") == Dropped("unreadable", "ends while it thinks")


@pytest.mark.parametrize(
    ("question", "text", "why"),
    [
        (YES, "", "empty"),
        (YES, " \n", "empty"),
        (YES, "It is so.", "no line says the answer"),
        (YES, "Answer: yes", "no reasons"),
        (YES, "The answer is yes.", "no reasons"),
        (YES, "Yes.\nAnswer: yes", "no reasons"),
        (YES, "It is.\nAnswer:", "left out"),
        (YES, "It is.\nAnswer: <yes or no>", "left out"),
        (OPEN, "It is.\nAnswer: Answer: <answer>", "left out"),
        (YES, "It is.\nAnswer: yes\nOr.\nAnswer: no", "answers twice, 'yes' and 'no'"),
        (YES, "It is.\nAnswer: perhaps", "expected yes or no, got 'perhaps'"),
        (NUMBER, "It is.\nAnswer: 3 or 4", "expected one number"),
        (NUMBER, "It is.\nAnswer: many", "expected one number"),
        (LETTER, "It is.\nAnswer: D", "expected a letter from A to C, got 'D'"),
        (LETTER, "It is.\nAnswer: A: a cork", "expected a letter"),
        (OPEN, "It is.\nAnswer: " + "x" * 201, "longer than 200"),
        (OPEN, "x" * 20_001 + "\nAnswer: x", "longer than 20000"),
        (OPEN, "It is.<|im_end|>\nAnswer: x", "control token <|im_end|>"),
    ],
)
def test_a_reply_that_is_not_clear_makes_no_pair(question, text, why):
    dropped = judged(question, text)
    assert isinstance(dropped, Dropped) and dropped.kind == "unreadable"
    assert why in dropped.why


def test_a_reply_that_was_cut_off_makes_no_pair():
    assert judged(NUMBER, "So.\nAnswer: 1234.5", finish="length") == Dropped("unreadable", "cut off by --tokens-max")


@pytest.mark.parametrize(("question", "said"), [(LETTER, "A"), (NUMBER, "1234"), (YES, "no"), (TEXT, "Carl Benz")])
def test_another_answer_than_the_right_one_is_wrong(question, said):
    assert judged(question, f"So.\nAnswer: {said}") == Dropped(
        "wrong", f"says {said!r}, right is {question['answer']!r}"
    )


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("question", [LETTER, NUMBER, YES, TEXT, OPEN])
def test_the_teacher_is_shown_a_reply_that_can_be_read(question, lang):
    _first, example, then = asking.messages(Pair(id="q", task="t", question="Is {this}?", lang=lang, **question))
    assert (
        then["content"].startswith("Is {this}?\n") and ("答え: <" if lang == "ja" else "Answer: <") in then["content"]
    )
    assert ("B: a cork" in then["content"]) == ("choices" in question)
    # Read as an open question, the example's last line is its answer, and the rest its reasons.
    pair = judged(OPEN, example["content"])
    assert pair.rationale and pair.answer in {"B", "24", "no", "Ben", "健"}
