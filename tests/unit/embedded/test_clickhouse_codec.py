from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.embedded import clickhouse_codec as codec


@pytest.mark.parametrize("encoding", codec.SUPPORTED)
@given(blocks=st.lists(st.binary(max_size=2000), max_size=5), cut=st.integers(1, 50))
def test_frames_behind_one_another_are_one_body(encoding: str, blocks: list[bytes], cut: int) -> None:
    body = b""
    for block in blocks:  # clients send a frame for each block
        encoder = codec.encoder(encoding)
        body += encoder.compress(block) + encoder.flush()
    decoder = codec.decoder(encoding)
    assert decoder is not None
    plain = b"".join(decoder.decompress(body[at : at + cut]) for at in range(0, len(body), cut))
    assert plain == b"".join(blocks)
    assert decoder.is_complete


@pytest.mark.parametrize("encoding", codec.SUPPORTED)
def test_a_body_that_is_cut_off_is_not_complete(encoding: str) -> None:
    encoder = codec.encoder(encoding)
    body = encoder.compress(b"x" * 1000) + encoder.flush()
    decoder = codec.decoder(encoding)
    assert decoder is not None
    decoder.decompress(body[:-2])
    assert not decoder.is_complete


def test_an_unknown_encoding_has_no_decoder() -> None:
    assert codec.decoder("snappy") is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("lz4,zstd,gzip", "zstd"),
        ("zstd;q=0, lz4 ; q=0.5", "lz4"),
        ("br", None),
    ],
)
def test_the_best_encoding_that_the_client_takes_is_used(header: str, expected: str | None) -> None:
    assert codec.accepted(header) == expected
