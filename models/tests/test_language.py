"""Which texts are Japanese, by the cases that the runtime reads too."""

import json
from pathlib import Path

import pytest

from sokutou_train.language import is_japanese

CASES = json.loads((Path(__file__).parents[2] / "tests" / "data" / "japanese.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["kind"])
def test_a_text_is_japanese_as_the_runtime_says(case):
    assert is_japanese(case["text"]) is case["is_japanese"]
