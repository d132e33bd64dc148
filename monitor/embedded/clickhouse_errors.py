"""ClickHouse's error codes as its HTTP interface answers them."""

from __future__ import annotations

from typing import Final

# One line a status, as the server's own table has them (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
_STATUS_CODES: Final[dict[int, frozenset[int]]] = {
    # CANNOT_PARSE_*, SYNTAX_ERROR, TYPE_MISMATCH, INCORRECT_DATA, BAD_ARGUMENTS, ILLEGAL_COLUMN, TOO_DEEP_AST ...
    400: frozenset(
        {
            6,
            8,
            15,
            25,
            26,
            27,
            36,
            37,
            38,
            41,
            44,
            53,
            62,
            72,
            117,
            123,
            167,
            168,
            223,
            321,
            376,
            427,
            441,
            675,
            676,
        }
    ),
    401: frozenset({194}),  # REQUIRED_PASSWORD
    403: frozenset(
        {192, 193, 497, 512, 516}
    ),  # UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
    # UNKNOWN_ TABLE, FUNCTION, IDENTIFIER, TYPE, STORAGE, DATABASE, SETTING, FORMAT, ROLE ...
    404: frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511}),
    408: frozenset({159}),  # TIMEOUT_EXCEEDED
    411: frozenset({381}),  # HTTP_LENGTH_REQUIRED
    413: frozenset({229}),  # QUERY_IS_TOO_LARGE
    415: frozenset({779}),  # UNSUPPORTED_MEDIA_TYPE
    501: frozenset({48}),  # NOT_IMPLEMENTED
    503: frozenset({76, 209, 439}),  # CANNOT_OPEN_FILE, SOCKET_TIMEOUT, CANNOT_SCHEDULE_TASK
}

SYNTAX_ERROR: Final = 62
NOT_IMPLEMENTED: Final = 48
UNKNOWN_COMPRESSION_METHOD: Final = 89
CANNOT_DECOMPRESS: Final = 271
SESSION_NOT_FOUND: Final = 372
SESSION_IS_LOCKED: Final = 373
QUERY_IS_TOO_LARGE: Final = 229
AUTHENTICATION_FAILED: Final = 516


def status(code: int) -> int:
    """The HTTP status of an error code; 500 where the server has no better one."""
    return next((status for status, codes in _STATUS_CODES.items() if code in codes), 500)
