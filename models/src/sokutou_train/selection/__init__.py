"""Which of the teacher's pairs are worth learning from, and how much each counts.

Every pair gets one verdict: kept, or left out for the first reason that holds, in a fixed order. What is kept stays as
it is and where it is, but for its weight and, where the file gives none, its difficulty. Trains nothing, and changes no
text.

Right is what gold says or, without gold for a question, what more of its pairs say than anything else; where two
answers share the lead, the question goes. Agreement is the share of a question's pairs that give the right answer.

Weight: the pair's own, divided by how many pairs of its question are kept, so that every question counts the same; on
wish times the agreement; then scaled so that the mean over a task is 1.

Difficulty: steps + characters // 400 + ceil(4 * (1 - agreement)), at least 1. Steps are the equations of a rationale
that can be read, or its sentences where none can, 30 at most; steps and characters are the low median over the
question's kept rationales, since difficulty belongs to the question.

Copies: of a question's near identical rationales one is kept, and of near identical questions one. Numbers are not
masked: a story with other numbers is another question, and so is one with another answer, another given difficulty or
words that changed places, however few words differ.
"""

# `verdicts` is the flow. It asks `answers` (are two the same, does a rationale arrive there), `arithmetic` (do
# equations hold), `rationales` (language, cut off, written with the answer in view) and `near` (copies).
from .verdicts import REASONS, Selection, select

__all__ = ["REASONS", "Selection", "select"]
