"""Compression of HTTP bodies as ClickHouse's HTTP interface knows it: gzip, deflate, lz4 (frames) and zstd."""

from __future__ import annotations

import sys
import zlib
from typing import Any, Final, Protocol

SUPPORTED: Final = ("zstd", "lz4", "gzip", "deflate")


class Decoder:
    """Turns compressed chunks into plain ones: one frame after another, as clients send a frame for each block."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._frame: Any = None

    def decompress(self, data: bytes) -> bytes:
        """The plain bytes that this chunk completes. Raises the codec's own errors."""
        parts = []
        while data:
            if self._frame is None:
                self._frame = _frame(self._encoding)
            parts.append(self._frame.decompress(data))
            if not self._frame.eof:
                break
            data = self._frame.unused_data or b""
            self._frame = None
        return b"".join(parts)

    @property
    def is_complete(self) -> bool:
        """Whether the last frame has ended."""
        return self._frame is None


class Encoder(Protocol):
    """Turns plain chunks into compressed ones."""

    def compress(self, data: bytes, /) -> bytes:
        """The compressed bytes that are ready; maybe none."""
        ...

    def flush(self) -> bytes:
        """What is left, and the end of the stream."""
        ...


class _Lz4Encoder:
    def __init__(self) -> None:
        import lz4.frame  # type: ignore[import-untyped]  # lz4 has no types

        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes, /) -> bytes:
        head = b"" if self._begun else bytes(self._frame.begin())
        self._begun = True
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return (b"" if self._begun else bytes(self._frame.begin())) + bytes(self._frame.flush())


def decoder(encoding: str) -> Decoder | None:
    """A decoder for a Content-Encoding; None where it isn't one of SUPPORTED."""
    return Decoder(encoding) if encoding in SUPPORTED else None


def _frame(encoding: str) -> Any:
    if encoding == "lz4":
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor()
    if encoding == "zstd":
        return _zstd().ZstdDecompressor()
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


def encoder(encoding: str) -> Encoder:
    """An encoder for one of SUPPORTED."""
    if encoding == "lz4":
        return _Lz4Encoder()
    if encoding == "zstd":
        return _ZstdEncoder()
    return zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS)


class _ZstdEncoder:
    def __init__(self) -> None:
        self._frame = _zstd().ZstdCompressor(level=1)

    def compress(self, data: bytes, /) -> bytes:
        return bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return bytes(self._frame.flush())


def accepted(accept_encoding: str) -> str | None:
    """The first of SUPPORTED that an Accept-Encoding header allows; None: send it plain."""
    offers = {}
    for offer in accept_encoding.lower().split(","):
        name, _, weight = offer.partition(";")
        offers[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0")
    return next((name for name in SUPPORTED if offers.get(name)), None)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd  # clickhouse-connect brings it
    return zstd
