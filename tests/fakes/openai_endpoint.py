"""An OpenAI-compatible endpoint: as a handler for httpx.MockTransport, and as a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import httpx

from monitor.judging.rubrics import Pass, Rubrics, installed, load
from tests.fakes.judge_answers import by_rule

_TEXTS = re.compile(r"BEGIN REQUEST\n(.*)\nEND REQUEST(?:\n\nBEGIN RESPONSE\n(.*)\nEND RESPONSE)?", re.DOTALL)


@dataclass
class OpenAIEndpoint:
    """Answers by `tests.fakes.judge_answers.by_rule`.

    `script`: answers that the next calls get in place of one, (status, headers, body). `poison`: texts whose requests get
    status 400 with the code. `change` alters a completion before it goes. `has_logprobs` False: leaves them out; None: refuses to be
    asked for them. `stray` is the mass of words that are no option. `calls` keeps the bodies, `headers` the headers.
    """

    key: str = ""
    model: str = "judge-1-2026"
    has_logprobs: bool | None = True
    stray: float = 0.0
    script: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    poison: dict[str, str] = field(default_factory=dict)
    change: Callable[[dict[str, Any]], None] | None = None
    rubrics: Rubrics = field(default_factory=lambda: load(installed()))
    calls: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the library's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, answer = outer.answer(self.path, dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(answer))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()

    def transport(self) -> httpx.MockTransport:
        """The same without a network."""

        def handle(request: httpx.Request) -> httpx.Response:
            status, headers, body = self.answer(request.url.path, dict(request.headers), request.content)
            return httpx.Response(status, headers=headers, content=body)

        return httpx.MockTransport(handle)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a request."""
        asked = json.loads(body)
        self.calls.append(asked)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        if self.script:
            return self.script.pop(0)
        if not path.endswith("/chat/completions"):
            return 404, {}, b"{}"
        if self.key and self.headers[-1].get("authorization") != f"Bearer {self.key}":
            return 401, {}, b"{}"
        if self.has_logprobs is None and "logprobs" in asked:
            return 400, {}, json.dumps({"error": {"code": "unsupported_parameter"}}).encode()
        text = asked["messages"][-1]["content"]
        for word, code in self.poison.items():
            if word in text:
                return 400, {}, json.dumps({"error": {"code": code, "message": text}}).encode()
        completion = self._completion(asked, text)
        if self.change is not None:
            self.change(completion)
        return 200, {}, json.dumps(completion).encode()

    def _completion(self, asked: dict[str, Any], text: str) -> dict[str, Any]:
        one = next(
            found
            for rubric in self.rubrics.by_name.values()
            for found in rubric.passes
            if all(f'"{question.name}" (' in text for question in found.questions)
        )
        texts = _TEXTS.search(text)
        assert texts is not None
        tokens = self._tokens(one, texts[1], texts[2] or "")
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "".join(token["token"] for token in tokens)},
        }
        if asked.get("logprobs") and self.has_logprobs:
            choice["logprobs"] = {"content": tokens}
        return {
            "id": "x",
            "model": self.model,
            "choices": [choice],
            "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1_000},
        }

    def _tokens(self, one: Pass, prompt: str, response: str) -> list[dict[str, Any]]:
        said = by_rule(one.name, prompt, response)
        tokens = [_token("{")]
        for place, question in enumerate(one.questions):
            tokens.append(_token(f'{", " if place else ""}"{question.name}":'))
            chances = {
                code: said[question.name][label] * (1 - self.stray) for code, label in question.codes.items()
            }
            chosen = max(chances, key=lambda code: chances[code])
            # As tokenizers do: the quotation mark belongs to the answer's first token, and a word may be cut.
            tops = [(f' "{code[:2]}', chance) for code, chance in chances.items() if chance > 0]
            tops.append((' "Well', self.stray))
            tokens.append(_token(f' "{chosen[:2]}', chances[chosen], tops))
            if chosen[2:]:
                tokens.append(_token(chosen[2:]))
            tokens.append(_token('"'))
        return [*tokens, _token("}")]


def _token(text: str, chance: float = 1.0, tops: list[tuple[str, float]] | None = None) -> dict[str, Any]:
    def one(token: str, probability: float) -> dict[str, Any]:
        return {
            "token": token,
            "logprob": math.log(probability) if probability > 0 else -9999.0,
            "bytes": None,
        }

    return one(text, chance) | {"top_logprobs": [one(*top) for top in tops or [(text, chance)]]}
