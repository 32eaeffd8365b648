"""Damages the content of a file; for the property tests and for fuzzing."""

MOST_BYTES = 2**16  # of a damaged file, which copies of its own parts would let grow without end
TOKENS = [
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b",",
        b";",
        b":",
        b'"',
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"-1", b"0", b"1e999", b"nan", b"-inf", b"9" * 40, b"9" * 5000, b"null", b"true", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(b" " * 5000, b";" * 5000),
    *(b"&a", b"*a", b"<<: ", b"!!python/object:x", b"---\n", b"../", b"|", b"\\", b"\xf0\x9f\x98\x80", b"\x1b[2J"),
    *(
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x80",
        b"\xff\xff\xff\xff",
        b"\x80",
        b"\x7f",
        b"FM ",
        b"CM ",
        b"CM2 ",
        b"CM3 ",
    ),
]


def damage(seed: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Returns a seed after changes: numbers that choose what is done, where and with what."""
    content = bytearray(seed)
    for kind, place, what in changes:
        at = place % (len(content) + 1)
        token = TOKENS[what % len(TOKENS)]
        if kind % 6 == 0:
            content[at:at] = token
        elif kind % 6 == 1:
            content[at : at + len(token)] = token
        elif kind % 6 == 2:
            del content[at : at + 1 + what % 20]
        elif kind % 6 == 3:
            del content[at:]
        elif kind % 6 == 4:
            content[at:at] = content[what % (at + 1) : at] * (1 + what % 3)
        elif at < len(content):
            content[at] ^= 1 << what % 8
    return bytes(content[:MOST_BYTES])
