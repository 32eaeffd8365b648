"""Sends prompts and audio to an OpenAI-compatible endpoint (chat completions)."""

import base64
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ambiser.errors import ConfigError, DataError
from ambiser.io.files import parse_json, read_file

KEY_VARIABLE = "AMBISER_API_KEY"
"""The environment variable with the key of the endpoint; without it, no key is sent."""
_TRIES = 4
_FIRST_WAIT_S = 0.5
_TOP_TOKENS = 20
_MOST_BYTES = 2**24  # of a reply
_LATER = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses that can pass: time-outs, too many requests, faults of the server."""


@dataclass(frozen=True)
class Answer:
    """What the endpoint returned: the sampled texts, and log-probabilities of first tokens (empty if not asked for)."""

    texts: list[str]
    tokens: dict[str, float]


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and how it is asked.

    Attributes:
        url: up to and including /v1.
        model: name of the model.
        samples: answers per utterance.
        temperature: of the sampling.
        tokens: ask for one answer with the probabilities of its first token instead.
        timeout_s: longest wait for an answer.
    """

    url: str
    model: str
    samples: int
    temperature: float
    tokens: bool
    timeout_s: float

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--url {self.url}: must start with http:// or https://")

    def ask(self, prompt: str, audio: Path | None) -> Answer:
        """Asks for the answers on an utterance.

        Args:
            prompt: the filled prompt.
            audio: a wav file to send along, or None.

        Raises:
            DataError: the endpoint cannot be reached, refuses the request, or answers in another form.
        """
        content: list[dict[str, object]] = [{"type": "text", "text": prompt}]
        if audio is not None:
            try:
                data = base64.b64encode(read_file(audio)).decode("ascii")
            except OSError as error:
                raise DataError(f"{audio}: cannot be read: {error.strerror}") from error
            content.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        body: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content if audio is not None else prompt}],
            "n": 1 if self.tokens else self.samples,
            "temperature": self.temperature,
        }
        if self.tokens:
            body |= {"logprobs": True, "top_logprobs": _TOP_TOKENS, "max_tokens": 1}
        return self._read(self._post(json.dumps(body).encode("utf-8")))

    def _post(self, body: bytes) -> Mapping[str, object]:
        """Returns the reply, after several tries where the fault can pass."""
        address = f"{self.url.rstrip('/')}/chat/completions"
        key = os.environ.get(KEY_VARIABLE, "")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        fault = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
            try:
                request = urllib.request.Request(address, body, headers, method="POST")
                with urllib.request.urlopen(request, timeout=self.timeout_s) as reply:
                    return parse_json(reply.read(_MOST_BYTES).decode("utf-8"))
            except urllib.error.HTTPError as error:
                fault = f"status {error.code}: {error.read(200).decode('utf-8', 'replace').strip()}"
                if error.code not in _LATER:
                    break
            except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
                fault = str(getattr(error, "reason", error))
            except ValueError:
                fault = f"the reply is not JSON of at most {_MOST_BYTES} bytes"
                break
        raise DataError(f"{address}: {fault}; check --url, --model and {KEY_VARIABLE}")

    def _read(self, reply: Mapping[str, object]) -> Answer:
        try:
            choices = reply["choices"]
            texts = [choice["message"]["content"] or "" for choice in choices]
            if not self.tokens:
                return Answer(texts, {})
            first = choices[0]["logprobs"]["content"][0]["top_logprobs"]
            return Answer(texts, {one["token"]: float(one["logprob"]) for one in first})
        except (KeyError, IndexError, TypeError, ValueError) as error:
            missing = " with logprobs; use --by answers" if self.tokens else ""
            raise DataError(f"{self.url}: the reply is no chat completion{missing} ({error!r})") from error
