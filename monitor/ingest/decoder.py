"""One message of chat.logs to its exchanges, whatever format it is in: the one way in (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from monitor.errors import Rejected
from monitor.ingest import cloudevents, jsontext, litellm, openai, openai_plain, otlp_json, own, streams
from monitor.ingest.outcomes import Origin, Outcomes, RejectedPart
from monitor.ingest.reasons import Reason, json_type, within
from schemas.events import Exchange

_PROTOBUF_START: Final = b"\n"
"""Field 1, length-delimited: how every OTLP payload begins (and a JSON text that begins with a line feed)."""
_DONE: Final = object()
_UNREAD: Final = object()


class Decoded(msgspec.Struct, frozen=True):
    """What one message holds: never nothing. Indexes number its chat exchanges, good and bad, in order.

    `bad_refusal_tokens` counts exchanges that came through without their refusal-token record, which was unusable.
    """

    exchanges: Sequence[tuple[int, Exchange]]
    rejected: Sequence[RejectedPart]
    not_chat: int
    bad_refusal_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Decoder:
    """Recognises the format by the content. Pure: the same bytes give the same exchanges, ids and indexes."""

    default_tenant: str
    max_context_turns: int

    def decode(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, fallback_id: str
    ) -> Decoded:
        """Decode one record's value. `fallback_id` names exchanges whose source has no id.

        Raises Rejected where the message as a whole is unusable, and nothing else (but MemoryError, which
        says nothing of the message).
        """
        if value is None:
            raise Rejected(Reason.TOMBSTONE, "the record has no value")
        try:
            if b'"request"' in value:
                plain = openai_plain.read(
                    value, self.default_tenant, max_context_turns=self.max_context_turns
                )
                if plain is not None:
                    return Decoded(((0, plain),), (), 0)
            try:
                doc = orjson.loads(value)
            except orjson.JSONDecodeError:
                doc = _UNREAD
            origin = Origin(fallback_id, False, None, self.default_tenant, self.max_context_turns)
            if headers:
                origin = cloudevents.from_headers(headers, origin)
                if doc is _UNREAD:
                    cloudevents.refuse_other_formats(headers)
            return _read(value, doc, origin)
        except (Rejected, MemoryError):
            raise
        except RecursionError:
            raise Rejected(Reason.TOO_DEEP, "nested deeper than the decoder follows") from None
        except Exception as exc:  # a defect of ours must not stop the stream: see Reason.DECODER_FAULT
            raise Rejected(Reason.DECODER_FAULT, type(exc).__name__) from exc


def _read(value: bytes, doc: Any, origin: Origin) -> Decoded:
    out = Outcomes()
    if doc is _UNREAD:
        doc = _parse_with_care(value, origin, out)
    if type(doc) is dict:
        _read_document(doc, origin, out)
    elif doc is not _DONE:
        _read_list(doc, origin, out)
    return Decoded(out.exchanges, out.rejected, out.not_chat, out.bad_refusal_tokens)


def _parse_with_care(value: bytes, origin: Origin, out: Outcomes) -> Any:
    """What orjson refused: JSON in need of repair, or protobuf, which is read at once (then _DONE is returned)."""
    if value[:1] != _PROTOBUF_START:
        return jsontext.parse(value)
    fault: Rejected | None = None
    if value.lstrip()[:1] in (b"{", b"["):  # a length may look like a bracket: JSON has the first try
        try:
            return jsontext.parse(value)
        except Rejected as not_json:
            fault = not_json
    try:
        _read_protobuf(value, origin, out)
    except Rejected as no_protobuf:
        raise (fault or no_protobuf) from None
    return _DONE


def _read_document(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    mark = out.mark()
    try:
        if "specversion" in doc and cloudevents.is_envelope(doc):
            content, origin = cloudevents.open_envelope(doc, origin)
            _read_content(content, origin, out)
        else:
            _read_family(doc, origin, out)
    finally:
        out.name_anonymous(origin, mark)


def _read_family(doc: dict[str, Any], origin: Origin, out: Outcomes) -> None:
    if "schema" in doc and own.is_event(doc):
        own.read(doc, origin, out)
    elif "request" in doc:
        openai.read(doc, origin, out)
    elif litellm.is_payload(doc):
        litellm.read(doc, origin, out)
    elif type(doc.get("standard_logging_object")) is dict:
        litellm.read(doc["standard_logging_object"], origin, out)
    elif otlp_json.is_payload(doc):
        otlp_json.read_payload(doc, origin, out)
    elif otlp_json.is_span(doc):
        otlp_json.read_span(doc, origin, out)
    elif openai.is_record(doc):
        openai.read(doc, origin, out)
    else:
        raise Rejected(Reason.UNKNOWN_FORMAT, "no key of the four families; docs/formats.md lists them")


def _read_content(content: Any, origin: Origin, out: Outcomes) -> None:
    """The content of an envelope: what a message may be, but no second envelope."""
    if type(content) is bytes:
        content = _parse_with_care(content, origin, out)
    elif type(content) is str:
        content = jsontext.parse(content)
    if content is _DONE:
        return
    if type(content) is dict:
        if "specversion" in content and cloudevents.is_envelope(content):
            raise Rejected(Reason.BAD_ENVELOPE, "data: holds another envelope")
        _read_family(content, origin, out)
    else:
        _read_list(content, origin, out)


def _read_list(docs: Any, origin: Origin, out: Outcomes) -> None:
    """Several documents in one message: a CloudEvents batch, LiteLLM's batches, spans. Bad ones go alone."""
    if type(docs) is not list:
        raise Rejected(
            Reason.NOT_AN_OBJECT, f"expected an object or a list of objects, found {json_type(docs)}"
        )
    if not docs:
        raise Rejected(Reason.EMPTY, "an empty list")
    if streams.is_chunk(docs[0]):
        raise Rejected(
            Reason.MISSING_FIELD, "request: a stream's chunks alone hold no prompt; log them as response"
        )
    shared = msgspec.structs.replace(origin, is_shared=origin.is_shared or len(docs) > 1)
    for place, doc in enumerate(docs):
        try:
            if type(doc) is not dict:
                raise Rejected(Reason.NOT_AN_OBJECT, f"expected an object, found {json_type(doc)}")
            _read_document(doc, shared, out)
        except Rejected as fault:
            if fault.reason == Reason.TOO_MANY:
                raise
            out.reject(within(f"[{place}]", fault))
        except RecursionError:
            out.reject(Rejected(Reason.TOO_DEEP, f"[{place}]: nested deeper than the decoder follows"))


def _read_protobuf(value: bytes, origin: Origin, out: Outcomes) -> None:
    # Imported where protobuf is seen first: most deployments never need it.
    from monitor.ingest import otlp_protobuf

    mark = out.mark()
    otlp_protobuf.read_payload(value, origin, out)
    out.name_anonymous(origin, mark)
