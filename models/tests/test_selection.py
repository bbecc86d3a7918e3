"""Selection before distilling: what each check says on both sides of its line, weights and difficulties worked out by
hand, counts that add up.
"""

import json
import zlib

import pytest

from sokutou_train import __main__, pair_files, selection
from sokutou_train.pair import Pair
from sokutou_train.selection import answers, arithmetic, near, rationales, verdicts
from sokutou_train.selection.answers import Conclusion
from sokutou_train.selection.report import report

IMPLIES, CONTRADICTS, SILENT = Conclusion


def pair(id="a-1", question="How many?", answer="8", rationale=None, task="t", **more):
    return Pair(id=id, task=task, question=question, answer=answer, rationale=rationale, **more)


def why(selected):
    return {verdict.pair.id: verdict.dropped for verdict in selected.verdicts}


@pytest.mark.parametrize(
    ("rationale", "judged"),
    [
        ("<<48/2=24>>24 clips", [True]),
        ("<<48/2=25>>25 clips", [False]),
        ("<<42.8*1551*0.10472=6951.6>>", [True]),
        ("<<6951.6-9000=-2048.4>>", [True]),
        ("<<1,000*3=3,000>> and <<.5*10=5>>", [True, True]),
        ("<<27=27>>", []),
        ("So 32 + 42 = 74.", [True]),
        ("So 32 + 42 = 75.", [False]),
        ("He paid $5 x 3 = $15.", [True]),
        ("He paid $5x3 = $16.", [False]),
        ("10% of 50 = 5", [True]),
        ("10% of 50 is 6.", [False]),
        ("1/2 of 10 = 5", [True]),
        ("45/100 = 45%", [True]),
        ("20% + 30% = 50%", [True]),
        ("600 / 5200 * 100 = 11.5%", [True]),
        ("600 / 5200 * 100 = 13.5%", [False]),
        ("$100 + 10% = $110", []),  # said loosely, meant well
        ("1,200 ÷ 4 = 300", [True]),
        ("合計は5×3＝15個。", [True]),
        ("合計は5×3＝16個。", [False]),
        ("8 * (4 + 6) = 8 * 10 = 80 pieces", [True, True]),
        ("8 * (4 + 6) = 8 * 11 = 88 pieces", [False, True]),
        ("5 + 3 = 8 * 2 = 16", [True, True]),  # writing on
        ("5 + 3 = 9 * 2 = 18", [False, True]),
        # As far as it is written.
        ("100 / 3 = 33.33", [True]),
        ("200 / 3 = 66.66", [True]),
        ("200 / 3 = 66.67", [True]),
        ("200 / 3 = 66.61", [False]),
        ("7 / 2 = 3", [True]),
        ("7 / 2 = 5", [False]),
        ("0.33 * 300 = 100", [True]),
        ("0.33 * 300 = 110", [False]),
        ("$6.51 + $5.79 = $12.31", [False]),
        # Passed over: there is more to them than was read.
        ("x + 3 * 2 = 16", []),
        ("5 more than 3 * 2 = 11", []),
        ("2^3 * 4 = 32 and 5 * 3² = 45", []),
        ("2 1/2 * 4 = 10", []),
        ("60 / 3/4 = 80", []),
        ("120 books - 20 - 25 = 75", []),
        ("Weeks 1-2 = 96 - 70", []),
        ("Person 2 = 5 * 3 = 15", [True]),
        ("4 * 25 = $1", []),
        ("5 + 3 = 2 dozen", []),
        ("The ratio is 70000 * 12 : 120000 * 6 = 70000 : 60000", []),
        ("03/02/1966 - 10 days = 02/20/1966", []),
        ("3/15/2020 + 5 = 3/20/2020", []),
        ("5 * 3 >= 10 and 2 * 2 == 5", []),
        ("(3 + 4 = 7) holds", [True]),
        ("(3 + 4 = 8) does not", [False]),
    ],
)
def test_equations_are_recomputed_where_they_can_be_read(rationale, judged):
    assert [equation.holds for equation in arithmetic.equations(rationale)] == judged


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,234", "1234.0", True),
        ("1.333333", "1.3333333", True),
        ("1.33", "1.333", False),
        ("-5", "5", False),
        ("B", "b", True),
        ("B", "C", False),
        ("Yes", "yes", True),
        ("yes", "no", False),
        ("naae", "NAAE ", True),
        ("naae", "naea", False),
        ("12/4", "3", False),
    ],
)
def test_answers_are_compared_as_the_tasks_score_them(one, other, same):
    assert answers.same(one, other) is same


BALLS, DATES = ("red ball", "blue ball", "pink ball"), ("01/02/2019", "01/07/2019", "01/08/2019")
NUMBERS, PLACES = ("10 kg", "12 kg", "15 kg"), ("door", "opening doors", "house")


@pytest.mark.parametrize(
    ("answer", "choices", "rationale", "concluded"),
    [
        ("74", None, "So 32 + 42 = 74 pounds.", IMPLIES),
        ("6951.6", None, "It makes <<42.8*1551*0.10472=6951.6>> watts.", IMPLIES),
        ("0.75", None, "This means 0.25 + 0.5 = 0.75 of the nails are size 2d or 4d.", IMPLIES),
        ("1,000", None, "The answer is 1000.", IMPLIES),
        ("4", None, "They need four.", IMPLIES),
        ("78", None, "He did 59 + 19 = 78. Of crunches he did 44 - 27 = 17.", SILENT),  # ends elsewhere, and is right
        ("74", None, "So 32 + 41 = 73 pounds.", CONTRADICTS),
        ("57", None, "The answer is 50.", CONTRADICTS),
        ("33", None, "That is 100 / 3 = 33.3.", SILENT),  # rounded
        ("2", None, "That is 60 + 60 = 120.", SILENT),  # in minutes
        ("5400", None, "The rent is 1,800 + 600 + 3,000.", SILENT),
        ("3400", None, "That is 17 000/5 = 3 400.", SILENT),
        ("10", None, "18 + ? = 28.", SILENT),
        ("20", None, "So we have 2x + 6 = 46.", SILENT),
        ("20", None, "So we have x = 46.", CONTRADICTS),
        ("5", None, "Think hard.", SILENT),
        ("B", BALLS, "Bob has the red ball. Therefore, Bob has the blue ball.", IMPLIES),
        ("B", BALLS, "Therefore, the answer is (B).", IMPLIES),
        ("B", BALLS, "Therefore, Bob has the red ball.", CONTRADICTS),
        ("B", BALLS, "So the answer is A.", CONTRADICTS),
        ("B", BALLS, "Therefore, he does not have the red ball.", SILENT),
        ("B", BALLS, "They swap.", SILENT),
        ("C", DATES, "A day later is January 8th, 2019.", IMPLIES),
        ("C", DATES, "Therefore, it is 1/7/2019.", CONTRADICTS),
        ("A", DATES, "(A) 01/02/2019 - right\n(B) 01/07/2019", IMPLIES),  # goes through the choices
        ("B", PLACES, "You grab the door. It is for opening doors.", IMPLIES),
        ("A", PLACES, "Therefore, it is for opening doors.", CONTRADICTS),
        ("B", NUMBERS, "That is 3 * 4 = 12.", IMPLIES),
        ("B", NUMBERS, "That is 3 * 5 = 15.", CONTRADICTS),
        ("B", NUMBERS, "It is 12. Twice 5 is 5 * 2 = 10.", SILENT),
        ("B", NUMBERS, "That is 10 + 15 = 25.", SILENT),
        ("B", NUMBERS, "So a = 12 kg and b = 15 kg.", SILENT),
        ("B", NUMBERS, "So 30(SP) = 15(CP).", SILENT),
        ("no", None, "There is no moon. Therefore, the answer is no.", IMPLIES),
        ("yes", None, "No, they cannot.", CONTRADICTS),
        ("yes", None, "There is no doubt about it.", SILENT),
        ("yes", None, "よって、答えははい。", IMPLIES),
        ("onok", None, "Joined: onok.", IMPLIES),
        ("onok", None, "1. O\n2. Joined: o n o k", IMPLIES),
        ("onok", None, 'Therefore, the result is "onno".', CONTRADICTS),
        ("onok", None, 'They give "onok". The first was "Elsa".', SILENT),
        ("onok", None, "Join the letters.", SILENT),
        ("onok", None, "Joined: onno", CONTRADICTS),
        ("ASK", None, "Read speed 1392, torque ?. Not given: torque.", SILENT),
        ("74", None, None, SILENT),
    ],
)
def test_where_a_rationale_arrives(answer, choices, rationale, concluded):
    assert answers.conclusion(pair(answer=answer, choices=choices, rationale=rationale)) is concluded


@pytest.mark.parametrize(
    ("check", "rationale", "found"),
    [
        (rationales.empty, "...", True),
        (rationales.empty, "7.", False),
        (rationales.empty, None, False),
        (rationales.leaks, "However, the answer is given as 57.", True),
        (rationales.leaks, "As the question states the answer, it is 57.", True),
        (rationales.leaks, "Since the correct answer is D, x is 3.", True),
        (rationales.leaks, "This does not match the expected answer.", True),
        (rationales.leaks, "正解は57とされているので、57。", True),
        (rationales.leaks, "Compare the given answer choices with today.", False),
        (rationales.leaks, "So the correct answer is D.", False),
        (rationales.leaks, "The price is given as 57.", False),
        (rationales.finds_fault, "This may be a mistake in the question.", True),
        (rationales.finds_fault, "But 81 is not in the answer choices.", True),
        (rationales.finds_fault, "However, this is incorrect. Let's retry.", True),
        (rationales.finds_fault, "選択肢にないので、近いものを選ぶ。", True),
        (rationales.finds_fault, "The error in the calculated area is 4%.", False),
        (rationales.finds_fault, "If none of the above options are available, stay.", False),
    ],
)
def test_remarks_on_both_sides(check, rationale, found):
    assert check(pair(rationale=rationale)) is found


@pytest.mark.parametrize(
    ("lang", "question", "rationale", "other"),
    [
        ("en", "How many?", "There are three of them here.", False),
        ("en", "How many?", "全部で三つあります。ひとつずつ数えました。", True),
        ("ja", "いくつ？", "There are three of them here.", True),
        ("ja", "いくつ？", "全部で三つあります。ひとつずつ数えました。", False),
        ("ja", "いくつ？", "TypeMの回転数は9000rpmを超えるため、故障します。", False),
        ("ja", "いくつ？", "5 * 3 = 15 kg", False),  # too little to tell
        ("en", "全部でいくつありますか？", "全部で三つあります。ひとつずつ数えました。", False),  # `lang` left out
    ],
)
def test_a_rationale_in_another_language(lang, question, rationale, other):
    assert rationales.other_language(pair(question=question, rationale=rationale, lang=lang)) is other


LONG = "This is a sentence that somebody wrote down. " * 8


@pytest.mark.parametrize(
    ("rationale", "concluded", "cut"),
    [
        ("It is 5 because the", SILENT, True),
        ("It is <<5+3", IMPLIES, True),
        ("It is 5 +", SILENT, True),
        (LONG + "Therefore, it is important for Rita Or", SILENT, True),
        (LONG + "Overall, it would require planning,", SILENT, True),
        (LONG + "So they have 8 apples", IMPLIES, False),
        (LONG, SILENT, False),
        ("It was long ago. Nobody wrote it down. A short note without a full stop", SILENT, False),
        ("\n".join(["- Alice has the green ball and the other one"] * 10), SILENT, False),  # a list
    ],
)
def test_a_rationale_that_was_cut_off(rationale, concluded, cut):
    assert rationales.cut_off(pair(rationale=rationale), concluded) is cut


def test_near_copies_are_found_among_many_and_no_others():
    known = near.Near(0.8)
    texts = [
        f"Bin {at} holds {at * 7} bolts, and another {at * 3} lie on bench number {at + 1} beside the press."
        for at in range(500)
    ]
    for text in texts:
        known.add(text, near.shingles(text, 1))
    for text in texts[::50]:
        said = near.shingles(text + " Please", 1)
        found = [name for name, _ in known.like(said)]
        assert text in found
        assert all(near.jaccard(said, near.shingles(name, 1)) >= 0.8 for name in found)
    assert near.shingles("A b, c") == {zlib.crc32(b"a b c")}  # the same in every process
    assert near.jaccard(near.shingles("a b c d", 1), near.shingles("a b c e", 1)) == 3 / 5
    assert near.tokens("Air 298.1 K、部品") == ["air", "298.1", "k", "部", "品"]
    assert near.rearranged("Bob and Ann swap", "Ann and Bob swap") and not near.rearranged(
        "Bob gets some more", "Bob gets some"
    )


def test_gold_decides_and_where_there_is_none_the_majority():
    pairs = [
        pair("gold-1", "One?", "8"),
        pair("gold-2", "One?", "9"),
        pair("gold-3", "One?", "9"),
        pair("text-1", "Two, perhaps?", "1,000"),
        pair("text-2", "Two, perhaps?", "999"),
        pair("most-1", "Three?", "5"),
        pair("most-2", "Three?", "5.0"),
        pair("most-3", "Three?", "6"),
        pair("tied-1", "Four?", "5"),
        pair("tied-2", "Four?", "6"),
    ]
    gold = [pair("gold", "1?", "8"), pair("g-7", "two PERHAPS", "1000")]
    selected = selection.select(pairs, gold=gold)
    assert why(selected) == {
        "gold-1": None,
        "gold-2": verdicts.NOT_GOLD,
        "gold-3": verdicts.NOT_GOLD,
        "text-1": None,
        "text-2": verdicts.NOT_GOLD,
        "most-1": None,
        "most-2": None,
        "most-3": verdicts.MINORITY,
        "tied-1": verdicts.TIED,
        "tied-2": verdicts.TIED,
    }


def test_a_gold_name_that_stands_for_two_answers_is_none():
    gold = [pair("q-1", "One?", "8"), pair("q-2", "Two?", "9")]  # "q" names both
    pairs = [pair("q-3", "Two?", "9"), pair("q-4", "Two?", "8")]
    assert why(selection.select(pairs, gold=gold)) == {"q-3": None, "q-4": verdicts.NOT_GOLD}


def test_test_questions_go_and_near_ones_on_wish():
    words = "Mary cut some roses from her garden and put them into a vase"
    pairs = [pair("a-1", f"{words}?"), pair("b-1", f"{words} today?"), pair("c-1", "Another question altogether?")]
    tests = [pair("test-1", words.upper(), task="other")]
    selected = selection.select(pairs, tests=tests)
    assert why(selected) == {"a-1": verdicts.TEST, "b-1": None, "c-1": None}
    # 12 different words of 13, and one more.
    assert [(found.asked, found.test, found.jaccard) for found in selected.near_tests] == [
        ("b", "test-1", round(13 / 14, 3))
    ]
    assert why(selection.select(pairs, tests=tests, drop_near=True))["b-1"] == verdicts.NEAR_TEST


def test_copies_are_capped_and_other_numbers_answers_places_and_difficulties_are_no_copies():
    said = (
        "Three friends stand around the table and play with balls of three colours. Otto has the red one, Tamar has "
        "the blue "
        "one, and Greta has the green one. When the bell rings for the first time, {} and Greta swap what they have. "
        "In round {}, who has it?"
    ).format
    asked = [
        said("Otto", 7),
        said("Otto", 7).replace("who", "so who"),
        said("Otto", 8),
        said("Tamar", 7),
        said("Otto", 7),
        said("Otto", 7),
    ]
    assert all(near.jaccard(near.shingles(asked[0]), near.shingles(other)) >= verdicts.NEAR for other in asked)
    pairs = [
        pair(f"{at}-1", question, "no" if at == 4 else "yes", difficulty=2 if at == 5 else 1)
        for at, question in enumerate(asked)
    ]
    assert why(selection.select(pairs)) == {f"{at}-1": verdicts.SAME_QUESTION if at == 1 else None for at in range(6)}

    told = "First there were five of them on the bench, then three more came, so that 5 + 3 = 8 lie there now."
    pairs = [
        pair("a-1", rationale=told),
        pair("a-2", rationale=told.replace("now", "today")),
        pair("a-3"),
        pair("a-4"),
        pair("a-5", rationale=told.replace("5 + 3", "3 + 5")),
        pair("a-6", rationale="It is 8."),
    ]
    assert why(selection.select(pairs)) == {f"a-{at}": verdicts.COPY if at == 2 else None for at in range(1, 7)}


def test_weights_by_hand():
    pairs = [
        pair("a-1", "One?", "8", "It is 8.", weight=2),
        pair("a-2", "One?", "8", "Surely 8."),
        pair("a-3", "One?", "9", "It is 9."),
        pair("b-1", "Two?", "8", "Here it is 8."),
        pair("c-1", "Three?", "8", "It makes 8.", task="u", weight=5),
    ]
    # a: 2/2 and 1/2, b: 1/1; mean 2.5/3.
    weights = {kept.id: kept.weight for kept in selection.select(pairs).kept}
    assert weights == pytest.approx({"a-1": 1.2, "a-2": 0.6, "b-1": 1.2, "c-1": 1.0})
    # a agrees by 2/3: 2/3 and 1/3 beside 1; mean 2/3.
    weights = {kept.id: kept.weight for kept in selection.select(pairs, agreement_counts=True).kept}
    assert weights == pytest.approx({"a-1": 1.0, "a-2": 0.5, "b-1": 1.5, "c-1": 1.0})


def test_difficulty_by_hand():
    steps = "First 1 + 1 = 2. Then 2 + 2 = 4. Then 4 + 4 = 8."
    padded = (
        " ".join(["Nobody can say more about it than this sentence, which has so many letters."] * 11) + " It is 8."
    )
    pairs = [
        pair("equations-1", "1?", rationale=steps),
        pair("sentences-1", "2?", rationale="There are some. They are many. It is 8."),
        pair("given-1", "3?", rationale=steps, difficulty=1),
        pair("nothing-1", "4?"),
        pair("long-1", "5?", rationale=padded),
        pair("doubt-1", "6?", rationale="It is 8."),
        pair("doubt-2", "6?", rationale=steps),
        pair("doubt-3", "6?", "9", "It is 9."),
        pair("circles-1", "7?", rationale="So 4 + 4 = 8. " * 40),
    ]
    assert 800 < len(padded) < 1200 and 400 < len(pairs[-1].rationale) < 800
    # long: 12 sentences and 2 for its length. doubt: the lower of 1 and 3 steps, and ceil(4 / 3) for a third that
    # disagrees. circles: 30 and 1 for its length.
    assert {kept.asked: kept.difficulty for kept in selection.select(pairs).kept} == {
        "equations": 3,
        "sentences": 3,
        "given": 1,
        "nothing": 1,
        "long": 14,
        "doubt": 3,
        "circles": 31,
    }


def mixed():
    faults = {
        "leak": "The answer is given as 8.",
        "fault": "There is a mistake in the question. So 8.",
        "dots": "...",
        "other": "全部で八つあります。ひとつずつ数えました。",
        "cut": "It is 8 and the",
        "sum": "So 5 + 4 = 8.",
        "else": "So 5 + 4 = 9.",
    }
    return [
        *(pair(f"{name}-1", f"What of {name}?", rationale=rationale) for name, rationale in faults.items()),
        *(pair(f"good{at}-1", f"What of number {at}?", rationale=f"So {at} + 8 - {at} = 8.") for at in range(3)),
        pair("none-1", "What is it?", task="u"),
    ]


def test_the_report_adds_up_and_the_first_reason_decides():
    selected = selection.select(mixed())
    said = report(selected)
    assert said["tasks"]["t"]["dropped"] == dict.fromkeys(
        (
            verdicts.EMPTY,
            verdicts.LEAKS,
            verdicts.FAULT,
            verdicts.LANGUAGE,
            verdicts.CUT_OFF,
            verdicts.ARITHMETIC,
            verdicts.CONTRADICTS,
        ),
        1,
    )
    for task in said["tasks"].values():
        assert task["read"] == task["kept"] + sum(task["dropped"].values())
        assert sum(task["difficulty"].values()) == sum(task["concluded"].values()) == task["kept"]
        assert task["weights"]["mean"] == pytest.approx(1)
    assert (
        said["tasks"]["t"]["examples"][verdicts.CUT_OFF] == ["cut-1"] and said["tasks"]["u"]["without_rationale"] == 1
    )
    both = selection.select([pair(rationale="The answer is given as 8, so 5 + 4 = 8.")])
    assert why(both) == {"a-1": verdicts.LEAKS}
    assert tuple(verdicts.REASONS).index(verdicts.LEAKS) < verdicts.REASONS.index(verdicts.ARITHMETIC)


def test_the_same_pairs_give_the_same_selection():
    assert selection.select(mixed()) == selection.select(mixed())


def test_the_command(tmp_path, capsys):
    pairs, out, said = tmp_path / "pairs.jsonl", tmp_path / "new" / "selected.jsonl", tmp_path / "report.json"
    pair_files.write(pairs, mixed())
    assert __main__.main(["select", str(pairs), "--out", str(out), "--report", str(said)]) == 0
    table = capsys.readouterr().out
    assert "wrote 4 of 11 pairs" in table and "leaks the answer" in table
    kept = pair_files.read(out).pairs
    assert [pair.id for pair in kept] == ["good0-1", "good1-1", "good2-1", "none-1"]
    assert json.loads(said.read_text("utf-8"))["tasks"]["t"]["kept"] == 3

    out.unlink()
    test = tmp_path / "test.jsonl"
    pair_files.write(test, [pair("test-1", "what is IT")])
    assert __main__.main(["select", str(pairs), "--out", str(out), "--against", str(test)]) == 1
    assert "error: nothing is left of u; nothing was written" in capsys.readouterr().err
    assert not out.exists()
    pairs.write_text("{}")
    assert __main__.main(["select", str(pairs), "--out", str(out)]) == 1
    assert f"error: {pairs}:1: expected the key 'id'" in capsys.readouterr().err
