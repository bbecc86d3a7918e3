"""What chooses the order, against other means: the logistic gate, the soft prompts; and whether answers depend on
rationales."""

import math
import random
from types import SimpleNamespace

import pytest
import torch

from sokutou_train.distil import vocabulary
from sokutou_train.distil.sequences import Encoder
from sokutou_train.distil.student import Geometry, Student
from sokutou_train.distil.vocabulary import ANSWER
from sokutou_train.pair import Pair
from sokutou_train.ship.calibrate import minimum
from sokutou_train.study import gate, independence, soft_prompt


@pytest.fixture(scope="module")
def encoder():
    texts = [f"how many are {a} and {b}? {a} and {b} make {a + b}." for a in range(40) for b in range(9)]
    return Encoder(vocabulary.train(texts, ["yes"], 400), ("t",))


@pytest.fixture(scope="module")
def student(encoder):
    torch.manual_seed(3)
    student = Student(
        Geometry(encoder.tokenizer.get_vocab_size(), width=32, layers=2, heads=1, kv_heads=1, hidden=48, max_len=96)
    )
    for parameter in student.parameters():  # the small weights of a fresh student would hardly let a prompt through
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return student.eval()


def test_the_gate_is_the_least_penalised_logistic_loss():
    # Two states at -1 and 1, one wrong and one right; their spread is the root of 2.
    at = 1 / math.sqrt(2)
    weight = minimum(lambda w: 2 * math.log1p(math.exp(-at * w)) + 3 / 2 * w * w, 0, 10)
    fitted = gate.fit(torch.tensor([[-1.0], [1.0]]), torch.tensor([False, True]), penalty=3)
    assert fitted.weights.tolist() == pytest.approx([weight * at], rel=1e-6)
    assert fitted.bias == pytest.approx(0, abs=1e-6)


def test_no_other_gate_has_less_loss():
    rng = torch.Generator().manual_seed(2)
    states = torch.randn(60, 90, generator=rng) * 3 + 1  # more weights than states
    right = torch.rand(60, generator=rng) < torch.sigmoid(states[:, 0])
    fitted = gate.fit(states, right, penalty=10)
    spread = states.std(0)
    slope = (fitted.chances(states) - right.float()) @ (states - states.mean(0)) / spread
    torch.testing.assert_close(slope, -10 * fitted.weights * spread, rtol=1e-3, atol=1e-4)


def test_a_gate_of_one_kind_of_answer_always_says_it():
    states = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    for right in (True, False):
        chances = gate.fit(states, torch.full((5,), right)).chances(states)
        torch.testing.assert_close(chances, torch.full((5,), float(right)))


def test_a_gates_bias_carries_no_penalty():
    rng = torch.Generator().manual_seed(1)
    states, right = torch.randn(50, 4, generator=rng) * 3 + 7, torch.rand(50, generator=rng) < 0.8
    fitted = gate.fit(states, right)
    assert fitted.chances(states).mean().item() == pytest.approx(right.float().mean().item(), abs=1e-4)


def test_states_of_a_prompt_do_not_depend_on_its_batch(student):
    prompts = [[7, 8, 9, 10, 11], [12, 13], [14, 15, 16]]
    with torch.no_grad():
        alone = [student.hidden(torch.tensor([prompt]))[0] for prompt in prompts]
    torch.testing.assert_close(gate.last_states(student, prompts), torch.stack([states[-1] for states in alone]))
    torch.testing.assert_close(gate.mean_states(student, prompts), torch.stack([states.mean(0) for states in alone]))


def test_a_prompt_of_embedded_tokens_reads_like_the_tokens(student):
    prefix = list(range(20, 20 + soft_prompt.PROMPT_TOKENS))
    questions = [[7, 8, 9, 10], [11, 12]]
    with torch.no_grad():
        said = soft_prompt.order_logits(student, student.embedding.weight[prefix].expand(2, -1, -1), questions)
        for row, question in zip(said, questions, strict=True):
            torch.testing.assert_close(row, student(torch.tensor([[*prefix, *question]]))[0, -1], rtol=1e-4, atol=1e-4)


def test_each_question_has_its_own_mixture(student):
    torch.manual_seed(1)
    soft = soft_prompt.SoftPrompts(student)
    pooled = torch.randn(2, 32)
    one, other = soft.perceiver(pooled).softmax(-1)
    mixtures = soft(pooled)
    torch.testing.assert_close(mixtures[0], one[0] * soft.prompts[0] + one[1] * soft.prompts[1])
    torch.testing.assert_close(mixtures[1], other[0] * soft.prompts[0] + other[1] * soft.prompts[1])


def test_a_frozen_student_learns_to_say_the_order(student):
    before = [parameter.clone() for parameter in student.parameters()]
    rng = random.Random(2)
    questions = [[rng.randrange(20, 24) + 100 * (at % 2) for _ in range(rng.randrange(4, 12))] for at in range(64)]
    orders = [(3, 5)[at % 2] for at in range(64)]
    soft = soft_prompt.fit(student, questions[:40], orders[:40], seed=1, steps=400)
    chances = soft_prompt.chances(student, soft, questions[40:], 3, 5)
    right = sum((chance >= 0.5) == (order == 3) for chance, order in zip(chances.tolist(), orders[40:], strict=True))
    assert right >= 22
    assert all(torch.equal(one, other) for one, other in zip(before, student.parameters(), strict=True))
    assert all(parameter.requires_grad and parameter.grad is None for parameter in student.parameters())


PAIRS = [Pair(id=f"q{at}-1", task="t", question=f"how many are {at} and 4?", answer="yes") for at in range(6)]


class Scripted:
    """Reasons about each question, and answers as the rationale says; its rationales do not end for question 5."""

    def __init__(self, encoder):
        self.encoder = encoder

    def ask(self, pair, way, closed):
        return SimpleNamespace(answer=pair.answer)

    def thought(self, question):
        if question == self.encoder.text(PAIRS[5].prompt):
            raise independence.ThinkingFailed
        return question

    def reason(self, question, answer):
        return self.thought(question)

    def after(self, question, thought, pair, closed):
        return "its own" if thought == question else "another"


def test_only_an_answer_behind_its_rationale_may_move(encoder, student):
    asker = Scripted(encoder)
    (first,) = independence.measure(asker, student, "first", PAIRS, {})
    assert (first["n"], first["swapped"], first["corrupted"]) == (5, 0, 0) and first["difference"] < 1e-4
    (think,) = independence.measure(asker, student, "think", PAIRS, {})
    assert (think["n"], think["swapped"]) == (5, 5) and think["corrupted"] >= 4


def test_the_logits_of_an_answer_are_those_before_its_rationale(encoder, student):
    case = independence.Case(PAIRS[0], [7, 8, 9], [20, 21], [30, 31])
    said = independence._answer_logits(Scripted(encoder), student, case, case.rationale)
    with torch.no_grad():
        expected = student(torch.tensor([[7, 8, 9, encoder.control[ANSWER], 20, 21]]))[0, 3:]
    torch.testing.assert_close(said, expected, rtol=1e-4, atol=1e-4)


def test_corruption_keeps_the_kind_of_a_token_and_its_share(encoder):
    rationale = encoder.text("17 and 8 make 25. " * 40)
    corruption = independence.Corruption(encoder.tokenizer, [rationale])
    corrupted = corruption.of(rationale, "seed")
    assert corrupted == corruption.of(rationale, "seed") != corruption.of(rationale, "other")
    assert [corruption.kinds[token] for token in corrupted] == [corruption.kinds[token] for token in rationale]
    counted = [(a, b) for a, b in zip(rationale, corrupted, strict=True) if corruption.kinds[a]]
    assert {corruption.kinds[a] for a, _ in counted} == {"digit", "letters"}
    assert 0.2 < sum(a != b for a, b in counted) / len(counted) < 0.4
