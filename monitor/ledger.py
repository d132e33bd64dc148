"""The count that travels with the committed offset, so that every message can be accounted for.

A worker commits, with each offset, how many messages it has handled since `from_offset` and what became of
them. Kafka stores both in one record, so the count is right after any crash: what is re-processed is counted once,
because its first count was never committed. `watchkeeper account` compares it with the rows in the store.
"""

from __future__ import annotations

import msgspec


class Ledger(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of the messages of one partition in [from_offset, committed offset).

    messages = whole messages seen. Each is chat (one exchange or more), not chat, or dead as a whole.
    exchanges = exchanges handed on, sampled_out among them; dead_exchanges = bad ones inside usable messages;
    not_chat = spans or records that hold no chat.
    """

    from_offset: int
    messages: int = 0
    exchanges: int = 0
    sampled_out: int = 0
    not_chat: int = 0
    dead_messages: int = 0
    dead_exchanges: int = 0

    def plus(self, other: Ledger) -> Ledger:
        """This ledger and the next batch's counts; `other.from_offset` is ignored."""
        return Ledger(
            self.from_offset,
            self.messages + other.messages,
            self.exchanges + other.exchanges,
            self.sampled_out + other.sampled_out,
            self.not_chat + other.not_chat,
            self.dead_messages + other.dead_messages,
            self.dead_exchanges + other.dead_exchanges,
        )

    def to_metadata(self) -> str:
        """For the metadata string of an offset commit (well below Kafka's limit of 4,096 bytes)."""
        return _MARK + msgspec.json.encode(self).decode()

    @classmethod
    def from_metadata(cls, metadata: str, committed: int) -> Ledger:
        """The ledger of a commit; a fresh one from `committed` where somebody else wrote the commit."""
        if not metadata.startswith(_MARK):
            return cls(committed)
        try:
            return _DECODER.decode(metadata[len(_MARK) :])
        except msgspec.DecodeError:
            return cls(committed)


_MARK = "watchkeeper/1 "
_DECODER = msgspec.json.Decoder(Ledger)
