"""Teaching against a scripted server on loopback that answers, fails, lies and dies as real ones do."""

import contextlib
import dataclasses
import datetime
import email.utils
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sokutou_train import __main__, pair_files
from sokutou_train.pair import Pair
from sokutou_train.teachers.endpoint import client
from sokutou_train.teachers.endpoint.cache import Replies
from sokutou_train.teachers.endpoint.client import Endpoint, EndpointError, Reply, Stopped
from sokutou_train.teachers.endpoint.teach import (
    TEMPLATE_TOKENS_MAX,
    Budget,
    BudgetReached,
    Sampling,
    cache_path,
    dropped_path,
    teach,
)

KEY = "sk-teach-0123456789"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
QUESTIONS = [Pair(id=f"q-{n}", task="sums", question=f"{n} + {n}?", answer=str(2 * n)) for n in range(1, 5)]


def completion(text, usage=USAGE):
    return (
        200,
        {},
        {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": usage},
    )


def sum_of(request):
    """A teacher that is right, whatever it is asked."""
    n = int(re.match(r"(\d+) \+", request["messages"][-1]["content"])[1])
    return completion(f"Twice {n} is {2 * n}.\nAnswer: {2 * n}")


class Server(http.server.ThreadingHTTPServer):
    """Plays the script, one act a request: what to send back, or a function of the request; then `rest` for ever."""

    daemon_threads = True

    def __init__(self, *script, rest=sum_of):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.rest, self.requests, self.headers = list(script), rest, [], []
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the play


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece, which is faster

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append(request)
            self.server.headers.append(self.headers)
            act = self.server.script.pop(0) if self.server.script else self.server.rest
        act = act(request) if callable(act) else act
        if act == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, body = act
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Clock:
    """Waiting takes no time; `waits` says how long it would have taken."""

    def __init__(self):
        self.time, self.waits = 0.0, []

    def now(self):
        return self.time

    def wait(self, seconds):
        self.waits.append(round(seconds, 3))
        self.time += seconds
        return False


def endpoint(server, clock=None, **more):
    clock = clock or Clock()
    return Endpoint(
        server if isinstance(server, str) else server.url, now=clock.now, wait=clock.wait, jitter=lambda: 1.0, **more
    )


def taught(folder, server, questions=QUESTIONS, samples=2, budget=None, parallel=1, said=None, **more):
    out = folder / "pairs.jsonl"
    sampling = Sampling("teacher", samples=samples, tokens_max=50)
    said = [] if said is None else said
    teach(questions, out, endpoint(server, **more), sampling, budget or Budget(), parallel=parallel, say=said.append)
    return out


def command(folder, server, *more):
    questions = folder / "questions.jsonl"
    pair_files.write(questions, QUESTIONS)
    return [
        "teach",
        str(questions),
        "--url",
        server if isinstance(server, str) else server.url,
        "--model",
        "teacher",
        "--out",
        str(folder / "pairs.jsonl"),
        "--samples",
        "2",
        "--retries",
        "0",
        *more,
    ]


@pytest.mark.parametrize("parallel", [1, 3])
def test_every_sample_makes_a_pair(tmp_path, parallel):
    said = []
    with Server() as server:
        out = taught(tmp_path, server, budget=Budget(1.0, 10.0), parallel=parallel, said=said)
    pairs = pair_files.read(out).pairs
    assert [pair.id for pair in pairs] == [f"q-{n}-{sample}" for n in range(1, 5) for sample in (1, 2)]
    assert pairs[2] == Pair(
        id="q-2-1", task="sums", question="2 + 2?", answer="4", rationale="Twice 2 is 4.", teacher="teacher"
    )
    assert len(server.requests) == 8
    assert {key: server.requests[0][key] for key in ("model", "temperature", "max_tokens")} == {
        "model": "teacher",
        "temperature": 0.7,
        "max_tokens": 50,
    }
    assert (
        "replies  8 of 8, 0 of them" in said[-1]
        and "pairs    8 in" in said[-1]
        and "tokens   800 in, 160 out" in said[-1]
    )
    assert "cost     0.0024; at 1 in and 10 out" in said[-1]


def test_nothing_is_asked_twice(tmp_path):
    with Server() as server:
        out = taught(tmp_path, server, [*QUESTIONS, dataclasses.replace(QUESTIONS[0], id="again-1")])
        first = out.read_bytes()
        assert len(server.requests) == 8
        said = []
        taught(tmp_path, server, [*QUESTIONS, dataclasses.replace(QUESTIONS[0], id="again-1")], said=said)
        assert (len(server.requests), out.read_bytes()) == (8, first)
        assert "replies  10 of 10, 10 of them from earlier runs" in said[-1]
        taught(tmp_path, server, samples=3)
        assert len(server.requests) == 12  # only the third samples
    with Server() as other:  # who is asked is the same teacher at another address
        taught(tmp_path, other, samples=3)
        assert other.requests == []


def test_a_wrong_answer_and_an_unreadable_one_are_told_and_kept(tmp_path):
    said = []
    with Server(
        completion("It is three.\nAnswer: 3"),
        completion("It is two, I think."),
        completion(None),
        (200, {}, {"choices": []}),
    ) as server:
        out = taught(tmp_path, server, QUESTIONS[:2] + QUESTIONS[3:], said=said)
    assert [pair.id for pair in pair_files.read(out).pairs] == ["q-4-1", "q-4-2"]
    dropped = [json.loads(line) for line in dropped_path(out).read_text("utf-8").splitlines()]
    assert [(line["id"], line["kind"], line["why"]) for line in dropped] == [
        ("q-1-1", "wrong", "says '3', right is '2'"),
        ("q-1-2", "unreadable", "no line says the answer"),
        ("q-2-1", "unreadable", "empty"),
        ("q-2-2", "unreadable", "empty"),
    ]
    assert "It is two, I think." in dropped[1]["reply"] and "It is two, I think." in cache_path(out).read_text("utf-8")
    assert "dropped  3 unreadable, 1 wrong" in said[-1]


def test_a_question_without_answer_takes_the_teachers(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text(
        '{"id": "q-1", "task": "t", "question": "3 + 3?"}\n{"id": "q-2", "task": "t", "question": "1 + 1?", '
        '"choices": ["1", "2"]}\n',
        encoding="utf-8",
    )
    questions = pair_files.read_questions(path).pairs
    assert [question.answer for question in questions] == ["", ""]
    with Server(sum_of, completion("1 and 1 are 2.\nAnswer: B")) as server:
        out = taught(tmp_path, server, questions, samples=1)
    assert [pair.answer for pair in pair_files.read(out).pairs] == ["6", "B"]
    path.write_text(
        '{"id": "q-1", "task": "t"}\n'
        '{"id": "q-2", "task": "t", "question": "?", "choices": ["1", "2"], "answer": "C"}\n'
    )
    with pytest.raises(
        pair_files.PairsError, match=r"jsonl:1: expected the key 'question'(.|\n)*:2: expected 'answer' to be"
    ):
        pair_files.read_questions(path)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ((500, {}, b"<html>oops</html>"), "status 500, <html>oops</html>"),
        ((503, {}, {"detail": "warming up"}), "status 503, warming up"),
        ((429, {}, {"error": {"message": "slow\x1b[31m down"}}), "status 429, slow[31m down"),
        ((200, {}, b"garbage"), "expected a chat completion, got no JSON but garbage"),
        ((200, {}, b"[" * 100_000), "got no JSON"),
        ((200, {}, {"choices": "none"}), "got no list of choices"),
        ((200, {}, {"choices": [{"text": "as of old"}]}), "got a choice without a message of text"),
        ((200, {}, {"choices": [{"message": {"content": ["parts"]}}]}), "got a choice without a message of text"),
        ((200, {"content-encoding": "gzip"}, b"\x1f\x8b\x00"), "got no JSON"),
        ("hang up", "RemoteProtocolError"),
    ],
)
def test_what_may_pass_is_tried_again(act, why):
    clock, said = Clock(), []
    with Server(act, act) as server:
        assert (
            endpoint(server, clock, say=said.append)
            .ask(Sampling("m").request(QUESTIONS[0], 1))
            .text.endswith("Answer: 2")
        )
        assert len(server.requests) == 3
    assert clock.waits == [1.0, 2.0]
    assert why in said[0] and said[0].endswith("; trying again in 1.0 s")
    with Server(rest=act) as server, pytest.raises(EndpointError) as err:
        endpoint(server, retries=2).ask(Sampling("m").request(QUESTIONS[0], 1))
    assert f"{server.url}: no reply after 3 tries, the last: " in str(err.value) and why in str(err.value)
    assert "run the same command again" in str(err.value) and "\x1b" not in str(err.value)


def test_a_reply_that_never_ends_is_cut(monkeypatch):
    monkeypatch.setattr(client, "BODY_BYTES_MAX", 1000)
    with (
        Server(rest=completion("x" * 2000)) as server,
        pytest.raises(EndpointError, match="a reply of more than 1000 bytes"),
    ):
        endpoint(server, retries=0).ask({})


def test_a_server_that_is_slow_or_drips_or_is_not_there():
    def slow(_):
        time.sleep(0.5)
        return completion("")

    with Server(slow) as server, pytest.raises(EndpointError, match="no answer within 0.1 s"):
        Endpoint(server.url, timeout_s=0.1, retries=0).ask({})
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip():
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match="no answer within 0.3 s"):
            Endpoint(url, timeout_s=0.3, retries=0).ask({})
    with pytest.raises(
        EndpointError, match=f"{url}: no reply after 1 tries, the last: ConnectError.*See that the server runs"
    ):
        Endpoint(url, retries=0).ask({})


def test_a_server_that_says_when_to_come_back_is_heeded():
    for status in (429, 503):
        clock = Clock()
        with Server((status, {"retry-after": "7"}, {})) as server:
            endpoint(server, clock).ask(Sampling("m").request(QUESTIONS[0], 1))
        assert sum(clock.waits) == pytest.approx(7.1)
    date = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100))
    with Server(*[(429, {"retry-after": value}, {}) for value in (date, "soon", "nan", "1e999", "-5")]) as server:
        clock = Clock()
        endpoint(server, clock).ask(Sampling("m").request(QUESTIONS[0], 1))
    assert 95 < clock.waits[0] < 101 and clock.waits[1:] == [2.0, 4.0, 8.0, 1.6]
    with (
        Server((429, {"retry-after": "86400"}, {"error": "quota"})) as server,
        pytest.raises(EndpointError, match="quota; it asks to wait 86400 s"),
    ):
        endpoint(server).ask({})


def test_when_to_come_back_holds_for_everyone():
    clock = Clock()
    with Server((429, {"retry-after": "7"}, {})) as server:
        asked = Endpoint(server.url, now=lambda: 0.0, wait=clock.wait, jitter=lambda: 1.0)  # time stands still
        asked.ask(Sampling("m").request(QUESTIONS[0], 1))
        assert clock.waits == [7.1, 7.0]
        asked.ask(Sampling("m").request(QUESTIONS[1], 1))
        assert clock.waits == [7.1, 7.0, 7.0]


def test_requests_keep_their_distance(tmp_path):
    clock = Clock()
    with Server() as server:
        taught(tmp_path, server, clock=clock, requests_per_minute=30)
    assert clock.waits == [2.0] * 7


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (
            400,
            {},
            {"error": {"message": "max_tokens is too large"}},
            "status 400, max_tokens is too large; the server refuses",
        ),
        (401, {}, {"error": {"message": f"no such key: {KEY}"}}, "status 401, no such key: [key]; the server knows no"),
        (404, {}, b"", "status 404, no message; nothing is there: check --url"),
        (
            307,
            {"location": "http://elsewhere.example/v1"},
            b"",
            "redirects to http://elsewhere.example/v1; if you trust",
        ),
    ],
)
def test_what_will_not_pass_stops_at_once(tmp_path, capsys, monkeypatch, status, headers, body, says):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with Server(sum_of, rest=(status, headers, body)) as server:
        assert __main__.main([*command(tmp_path, server, "--key-env", "TEACHER_KEY"), "--retries", "5"]) == 1
        assert len(server.requests) == 2
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    err = capsys.readouterr().err
    assert f"error: {server.url}: {says}" in err
    assert len(pair_files.read(tmp_path / "pairs.jsonl").pairs) == 1  # what was said before is kept
    assert KEY not in err and not any(KEY in path.read_text("utf-8") for path in tmp_path.iterdir())


def test_a_key_that_is_echoed_reaches_no_file(tmp_path):
    with Server(completion(f"You are {KEY}.\nAnswer: 2")) as server:
        taught(tmp_path, server, QUESTIONS[:1], samples=1, key=KEY)
    assert "You are [key]." in (tmp_path / "pairs.jsonl").read_text("utf-8")
    assert not any(KEY in path.read_text("utf-8") for path in tmp_path.iterdir())


def test_a_key_comes_from_a_file_or_the_environment(tmp_path, capsys):
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    with Server() as server:
        assert __main__.main(command(tmp_path, server, "--key-file", str(file))) == 0
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        file.write_text("two\nlines")
        assert __main__.main(command(tmp_path, server, "--key-file", str(file))) == 1
        assert __main__.main(command(tmp_path, server, "--key-env", "NO_SUCH_VARIABLE")) == 1
        assert __main__.main(command(tmp_path, "http://name:secret@127.0.0.1/v1")) == 1
        assert __main__.main(command(tmp_path, "127.0.0.1:8000")) == 1
    err = capsys.readouterr().err
    assert "error: the key has characters that no key has" in err and "two" not in err
    assert "error: --key-env: there is no environment variable NO_SUCH_VARIABLE" in err
    assert "expected --url without name, password" in err and "secret" not in err
    assert "expected --url to be an address as http://127.0.0.1:8000/v1, got '127.0.0.1:8000'" in err


def test_control_characters_and_half_surrogates_are_cleaned(tmp_path):
    with Server(completion("So\x00 \x1b[2J\ud83d it\r\nis.\nAnswer: 2")) as server:
        out = taught(tmp_path, server, QUESTIONS[:1], samples=1)
    assert pair_files.read(out).pairs[0].rationale == "So [2J\N{REPLACEMENT CHARACTER} it\nis."


@pytest.mark.parametrize(
    "usage", [None, [], {}, *[{"prompt_tokens": n, "completion_tokens": 2} for n in (-1, True, 1 << 40)]]
)
def test_a_server_that_does_not_count_is_taken_at_its_most(tmp_path, usage):
    said = []
    with Server(completion("So it is.\nAnswer: 2", usage)) as server:
        taught(tmp_path, server, QUESTIONS[:1], samples=1, said=said)
        asked = sum(len(message["content"].encode()) for message in server.requests[0]["messages"])
    assert f"tokens   {asked + TEMPLATE_TOKENS_MAX} in, 50 out; 1 replies came uncounted" in said[-1]


@pytest.mark.parametrize("parallel", [1, 3])
def test_the_budget_is_never_exceeded(tmp_path, parallel):
    def asks(budget):
        with contextlib.suppress(BudgetReached):
            taught(tmp_path, server, QUESTIONS, samples=4, budget=budget, parallel=parallel)
        return len(server.requests)

    with Server(rest=completion("So.\nAnswer: 2", {"prompt_tokens": 100, "completion_tokens": 50})) as server:
        assert asks(Budget(tokens=300)) == 0  # the first could take more
        with pytest.raises(BudgetReached, match="stopped with [0-9]+ replies to go.*--budget"):
            taught(tmp_path, server, QUESTIONS, samples=4, budget=Budget(tokens=1500), parallel=parallel)
        most = sum(len(message["content"]) for message in server.requests[0]["messages"]) + TEMPLATE_TOKENS_MAX + 50
        asked = len(server.requests)
        assert 150 * (asked - 1) + most <= 1500 < 150 * asked + most
        assert asks(Budget(tokens=1500)) == asked  # what earlier runs spent counts
        asked = asks(Budget(1.0, 2.0, money=0.0025))
        assert 200 * (asked - 1) + most + 50 <= 2500 < 200 * asked + most + 50
        assert asks(Budget(tokens=150 * 15 + most)) == 16


def test_the_budget_on_the_command_line(tmp_path, capsys):
    with Server() as server:
        assert __main__.main(command(tmp_path, server, "--budget", "1")) == 1
        assert server.requests == []
        assert __main__.main(command(tmp_path, server, "--budget-tokens", "1500")) == 1
        assert 0 < len(server.requests) < 8
    assert len(pair_files.read(tmp_path / "pairs.jsonl").pairs) == len(server.requests)
    err = capsys.readouterr().err
    assert "error: --budget needs --price-in" in err and "error: stopped with" in err


def test_a_torn_last_line_is_said_and_a_bad_one_before_is_refused(tmp_path):
    said = []
    with Server() as server:
        out = taught(tmp_path, server)
        cache, whole = cache_path(out), cache_path(out).read_bytes()
        cache.write_bytes(whole[:-30])
        taught(tmp_path, server, said=said)
        assert len(server.requests) == 9
        assert sorted(cache.read_bytes().splitlines()) == sorted(whole.splitlines())
        assert (
            said[0] == f"{cache}: the last line was never finished; it is cut off, and what it answered is asked again"
        )
        cache.write_bytes(b"{}\n" + whole)
        with pytest.raises(RuntimeError, match=r"replies.jsonl:1: expected a teacher's reply; remove the line"):
            taught(tmp_path, server)
        assert cache.read_bytes() == b"{}\n" + whole
    with Replies(cache_path(tmp_path / "other")) as replies, pytest.raises(RuntimeError, match="in use"):
        replies.add("digest", "q", 1, Reply("text", "stop", 1, 2))
        Replies(cache_path(tmp_path / "other"))


def test_a_reply_that_does_not_reach_the_disk_leaves_no_trace(tmp_path, monkeypatch):
    def full(_):
        monkeypatch.undo()
        raise OSError("the disk is full")

    with Replies(tmp_path / "cache") as replies:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="full"):
            replies.add("first", "q", 1, Reply("text", "stop", 1, 2))
        replies.add("second", "q", 2, Reply("text", "stop", 1, 2))
    with Replies(tmp_path / "cache") as replies:
        assert (replies.get("first"), replies.get("second")) == (None, Reply("text", "stop", 1, 2))


def process(folder, server):
    command_line = [sys.executable, "-m", "sokutou_train", *command(folder, server)]
    # A job that a shell runs in the background ignores Ctrl-C, and what it starts would too.
    return subprocess.Popen(
        command_line,
        cwd=Path(__main__.__file__).parents[1],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_killed_in_the_middle_it_goes_on_as_if_nothing_had_been(tmp_path):
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    stuck, killed = threading.Event(), threading.Event()

    def hold(request):
        stuck.set()
        killed.wait(60)
        return "hang up"

    with Server(sum_of, sum_of, sum_of, hold) as server:
        running = process(tmp_path / "killed", server)
        assert stuck.wait(60)
        running.kill()
        running.wait()
        killed.set()
        assert not (tmp_path / "killed" / "pairs.jsonl").exists()
        assert len(cache_path(tmp_path / "killed" / "pairs.jsonl").read_bytes().splitlines()) == 3
        assert __main__.main(command(tmp_path / "killed", server)) == 0
        assert len(server.requests) == 8 + 1  # only the one that was under way was asked twice
        assert __main__.main(command(tmp_path / "whole", server)) == 0
    assert (tmp_path / "killed" / "pairs.jsonl").read_bytes() == (tmp_path / "whole" / "pairs.jsonl").read_bytes()


def test_ctrl_c_keeps_what_is_under_way(tmp_path):
    asked, answer = threading.Event(), threading.Event()

    def hold(request):
        asked.set()
        answer.wait(60)
        return sum_of(request)

    with Server(sum_of, hold) as server:
        running = process(tmp_path, server)
        assert asked.wait(60)
        running.send_signal(signal.SIGINT)
        said = ""
        while "waiting for 1 under way" not in said:
            said += os.read(running.stderr.fileno(), 4096).decode() or pytest.fail(said)
        answer.set()
        said += running.communicate(timeout=60)[1]
        assert running.returncode == 130
        assert len(server.requests) == 2
    assert "pairs    2 in" in said and "Traceback" not in said and said.endswith("stopped\n")
    assert len(pair_files.read(tmp_path / "pairs.jsonl").pairs) == 2


def test_waits_end_when_the_run_does():
    with Server(rest=(500, {}, b"")) as server:
        waiting = Endpoint(server.url)
        threading.Timer(0.2, waiting.stop).start()
        with pytest.raises(Stopped):
            waiting.ask({})
        assert len(server.requests) == 1
