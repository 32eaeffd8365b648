"""`ambiser query` against a small server on this machine: answers, tokens, refusals, faults, resuming."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ambiser.bin.commands import query
from ambiser.config.data_keys import LabelPolicy
from ambiser.corpora.importing.label_words import class_words
from ambiser.errors import ConfigError, DataError
from ambiser.inference.chat import client
from ambiser.inference.chat.answers import REFUSAL, UNPARSABLE, parse_answer, read_answers, read_tokens
from ambiser.inference.chat.prompts import Prompt, read_prompt
from ambiser.io.tables import write_table, write_tsv
from ambiser.labels.vote_table import COLUMNS
from ambiser.scoring.prediction_table import read_predictions

CLASSES = ["neutral", "happy", "angry", "sad"]
WORDS = class_words(LabelPolicy().classes, CLASSES)
SAID = {"a": ["Happy.", "I hear joy", "sad"], "b": ["I'm sorry, I can't tell.", "hm", "Neutral or sad"]}


class Server(ThreadingHTTPServer):
    """Answers by the transcript in the prompt; `fail` statuses come first; requests are kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.fail, self.keys = [], [], []
        self.reply = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.requests.append(body)
        server.keys.append(self.headers.get("Authorization"))
        if server.fail:
            self.send_response(server.fail.pop(0))
            self.end_headers()
            self.wfile.write(b"no such model")
            return
        content = body["messages"][0]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        utt = next(utt for utt in SAID if f"words of {utt}" in prompt)
        choices = [{"message": {"content": text}} for text in SAID[utt]]
        if body.get("logprobs"):
            top = [{"token": " Ha", "logprob": -0.5}, {"token": "S", "logprob": -1.5}, {"token": "?", "logprob": -3}]
            choices = [{"message": {"content": "Ha"}, "logprobs": {"content": [{"top_logprobs": top}]}}]
        self.send_response(200)
        self.end_headers()
        reply = server.reply or {"choices": choices}
        self.wfile.write(reply if isinstance(reply, bytes) else json.dumps(reply).encode())

    def log_message(self, *_: object) -> None:
        """Stays silent."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(client, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setenv(client.KEY_VARIABLE, "")
    one = Server()
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


@pytest.fixture
def data(tmp_path):
    rows = [(utt, "E1", "outside", "primary", "hap") for utt in SAID]
    write_tsv(tmp_path / "all" / "votes.tsv", list(COLUMNS), [*rows, ("d", "E1", "outside", "primary", "fru")])
    write_table(tmp_path / "all" / "wav.scp", {utt: tmp_path / f"{utt}.wav" for utt in "abd"})
    write_table(tmp_path / "all" / "text", {utt: f"words of {utt}" for utt in "abd"})
    for utt in SAID:
        (tmp_path / f"{utt}.wav").write_bytes(b"RIFF" + utt.encode())
    (tmp_path / "prompt.txt").write_text('# a comment {x}\nShe says "{words}". One of: {classes}.\n')
    return tmp_path


def run(monkeypatch, server, data, *words):
    fixed = [data, "--url", server.url, "--model", "m", "--prompt", data / "prompt.txt", "--out", data / "p.tsv"]
    monkeypatch.setattr("sys.argv", ["ambiser query", *map(str, (*fixed, *words))])
    query.main()
    return read_predictions(data / "p.tsv", CLASSES, list(SAID))


def test_shares_of_sampled_answers_become_a_table_that_stage_7_reads(server, data, monkeypatch, capsys):
    probs = run(monkeypatch, server, data, "--samples", 3)
    assert probs[0].tolist() == pytest.approx([0.1, 0.5, 0.1, 0.3])  # (n + 0.5) / (3 + 4 * 0.5)
    assert probs[1].tolist() == [0.25] * 4
    assert "6 answers: 1 refusals, 2 unparsable; 1 utterances without an answer" in capsys.readouterr().err
    sent = min(server.requests, key=lambda body: body["messages"][0]["content"][0]["text"])
    text, sound = sent["messages"][0]["content"]
    assert text["text"] == 'She says "words of a". One of: neutral, happy, angry, sad.'
    assert base64.b64decode(sound["input_audio"]["data"]) == b"RIFFa"
    assert (sent["n"], sent["model"], sound["input_audio"]["format"]) == (3, "m", "wav")


def test_probabilities_of_the_first_token_are_scaled_to_the_classes(server, data, monkeypatch):
    probs = run(monkeypatch, server, data, "--by", "tokens", "--no_audio")
    assert probs[0].tolist() == pytest.approx([0, 0.7311, 0, 0.2689], abs=1e-4)  # e^-0.5 and e^-1.5
    assert server.requests[0]["n"] == 1
    assert isinstance(server.requests[0]["messages"][0]["content"], str)


def test_a_second_run_asks_only_for_what_is_missing(server, data, monkeypatch):
    first = run(monkeypatch, server, data)
    store = data / "p.tsv.answers.jsonl"
    lines = store.read_text().splitlines(keepends=True)
    store.write_text(lines[0] + lines[1][:20])  # as a killed run leaves it
    assert (run(monkeypatch, server, data) == first).all()
    assert len(server.requests) == 3
    run(monkeypatch, server, data, "--temperature", 0.5)  # another question
    assert len(server.requests) == 5


def test_tries_again_after_a_passing_fault_and_sends_the_key(server, data, monkeypatch):
    monkeypatch.setenv(client.KEY_VARIABLE, "secret")
    server.fail = [503, 429]
    run(monkeypatch, server, data, "--parallel", 1)
    assert len(server.requests) == 4
    assert set(server.keys) == {"Bearer secret"}
    assert "secret" not in (data / "p.tsv.answers.jsonl").read_text()


@pytest.mark.parametrize(
    ("fail", "reply", "fault"),
    [
        ([404, 404], None, r"/v1/chat/completions: status 404: no such model; check --url, --model"),
        ([], {"error": "x"}, "is no chat completion"),
        ([], b"[" * 5000, "the reply is not JSON of at most 9999 bytes"),
        ([], b'{"choices": [] ' + b" " * 9999 + b"}", "the reply is not JSON of at most 9999 bytes"),
    ],
)
def test_a_fault_of_the_endpoint_is_one_line(server, data, monkeypatch, fail, reply, fault):
    monkeypatch.setattr(client, "_MOST_BYTES", 9999)
    server.fail, server.reply = fail, reply
    with pytest.raises(DataError, match=fault):
        run(monkeypatch, server, data)
    assert not (data / "p.tsv").exists()


def test_addresses_that_are_no_web_addresses_are_refused():
    with pytest.raises(ConfigError, match=r"--url file:///etc: must start with http"):
        client.Endpoint("file:///etc", "m", 1, 1.0, tokens=False, timeout_s=1.0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("Angry", 2), ("**angry**.", 2), ("The speaker is excited!", 1), ("SADNESS", 3), ("saddle", UNPARSABLE),
        ("happy or sad", UNPARSABLE), ("happy, very happy", 1), ("", UNPARSABLE), ("surprised", UNPARSABLE),
        ("I cannot tell if she is angry", REFUSAL), ("Sorry, no.", REFUSAL), ("I don’t have ears", REFUSAL),
    ],
)  # fmt: skip
def test_an_answer_counts_if_it_names_one_class(answer, says):
    assert parse_answer(answer, WORDS) == says


def test_answers_and_tokens_that_name_no_class_give_no_distribution():
    assert read_answers(["?", "sorry"], WORDS, 4, 0.5).probs is None
    found = read_tokens({"?": -0.1, "x": -2.0}, WORDS, 4)
    assert (found.probs, found.unparsable) == (None, 1)


@pytest.mark.parametrize("name", ["audio", "audio_and_words", "words"])
def test_the_shipped_prompts_are_valid(root, name):
    filled = read_prompt(root / "conf" / "prompts" / f"{name}.txt").fill(CLASSES, "so {classes} it is")
    assert "neutral, happy, angry, sad" in filled
    assert ("so {classes} it is" in filled) == ("words" in name)
    assert "#" not in filled


@pytest.mark.parametrize(
    ("text", "fault"), [("{classes} {voice}", r"unknown field \{voice\}"), ("Which emotion?", r"lacks \{classes\}")]
)
def test_a_prompt_without_classes_or_with_another_field_is_refused(tmp_path, text, fault):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(DataError, match=fault):
        read_prompt(tmp_path / "p.txt")
    assert Prompt("{words}").needs_words
