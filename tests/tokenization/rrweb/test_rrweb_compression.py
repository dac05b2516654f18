"""Snappy is decoded as other implementations encode it, and damage is told, never returned."""

import gzip
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceformers.tokenization.rrweb import rrweb_compression
from traceformers.tokenization.rrweb.rrweb_compression import (
    SIGNATURES,
    SessionFormatError,
    inflate,
    is_snappy,
    name_bytes,
    read_snappy,
    snappy_decompress,
)

texts = st.builds(
    lambda words, seed, size: b"".join(random.Random(seed).choices(words, k=size)),
    st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=6),
    st.integers(0, 99),
    st.integers(0, 400),
)


def snappy_compress(data: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.compress(data, codec="snappy", asbytes=True)


@pytest.fixture(params=["cramjam", "pure Python"])
def decoder(request, monkeypatch):
    if request.param == "pure Python":
        monkeypatch.setattr(rrweb_compression, "cramjam", None)
    elif rrweb_compression.cramjam is None:
        pytest.skip("cramjam is not installed")


def test_snappy_by_hand(decoder):
    # 70 = literal of 61 bytes ("long" form), then a copy of 9 that overlaps what it writes
    block = bytes([70, 60 << 2, 60]) + bytes(range(61)) + bytes([(9 - 1) << 2 | 2, 2, 0])
    assert snappy_decompress(block) == bytes(range(61)) + bytes([59, 60] * 4 + [59])
    # a copy with an 11-bit offset of 1, and one with a 4-byte offset
    assert snappy_decompress(bytes([6, 0]) + b"a" + bytes([(5 - 4) << 2 | 1, 1])) == b"aaaaaa"
    assert snappy_decompress(bytes([4, 4]) + b"ab" + bytes([(2 - 1) << 2 | 3, 2, 0, 0, 0])) == b"abab"


def test_snappy_of_another_encoder(decoder):
    @settings(max_examples=100, deadline=None)
    @given(texts)
    def check(data):
        assert snappy_decompress(snappy_compress(data)) == data

    check()


def test_damaged_snappy_is_an_error(decoder):
    data = b'[{"type":4,"timestamp":7}]' * 40
    block = snappy_compress(data)
    for end in range(len(block)):
        with pytest.raises(SessionFormatError):
            snappy_decompress(block[:end])
    for wrong in (b"", b"\xff" * 9, bytes([4, 1, 1]), bytes([9, 4]) + b"ab" + bytes([14, 3, 0]), bytes([1, 4]) + b"ab"):
        with pytest.raises(SessionFormatError):
            snappy_decompress(wrong)


def test_snappy_blocks_are_joined_by_line_breaks():
    lines = [b'["w",{"n":%d}]' % number for number in range(3)]
    blocks = [snappy_compress(line + b"\n" * (number == 1)) for number, line in enumerate(lines)]
    data = b"".join(len(block).to_bytes(4, "big") + block for block in blocks)
    assert is_snappy(data) and is_snappy(blocks[0])
    assert read_snappy(data).split() == lines
    assert read_snappy(blocks[0]) == lines[0]
    with pytest.raises(SessionFormatError) as caught:
        read_snappy(data[:-2])
    assert caught.value.offset == len(data) - 2
    wrong = bytearray(data)
    wrong[len(blocks[0]) + 4 + 4] += 1  # the size in the second block's header
    with pytest.raises(SessionFormatError) as caught:
        read_snappy(bytes(wrong))
    assert len(blocks[0]) + 8 <= caught.value.offset <= len(data)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_deflated_data_comes_whole_or_not_at_all(pack):
    data = bytes(random.Random(0).choices(range(50), k=500))
    packed = pack(data)
    assert inflate(packed) == data
    assert inflate(packed + packed) == data + data
    for end in range(2, len(packed)):
        with pytest.raises(SessionFormatError) as caught:
            inflate(packed[:end])
        assert caught.value.offset == end
    with pytest.raises(SessionFormatError, match="got other bytes"):
        inflate(packed + b"more")
    wrong = packed[:60] + bytes([packed[60] ^ 255]) + packed[61:]
    with pytest.raises(SessionFormatError):
        inflate(wrong)


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(rrweb_compression, "MAX_INFLATED_BYTES", 1000)
    assert len(inflate(gzip.compress(b"a" * 1000))) == 1000
    with pytest.raises(SessionFormatError, match="at most 1,000 bytes"):
        inflate(gzip.compress(b"a" * 1001))


def test_signatures_do_not_hide_each_other():
    for signature, name, advice in SIGNATURES:
        assert name_bytes(signature + b"\0" * 9) == (name, advice)
