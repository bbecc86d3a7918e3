"""The cases that bind both calculators, the toolkit's and the runtime's."""

import json
from pathlib import Path

import pytest

from sokutou_train import calculator

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "tests/data/calculator.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["expression"]))
def test_shared_case(case):
    if case.get("error"):
        with pytest.raises(calculator.CalculatorError):
            calculator.evaluate(case["expression"])
    else:
        assert calculator.evaluate(case["expression"], case["decimals"]) == case["result"]


def test_a_mark_holds_its_result():
    assert calculator.mark("42.8*1551*0.10472") == "<<42.8*1551*0.10472=6951.6>>"
