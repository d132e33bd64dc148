"""Contacts in a response, each held against a dated allow-list (contacts.toml): pure, linear in the text's length.

A phone number or e-mail address is known when it is on the list, a URL when its host is a listed site or below one.
What isn't on the list may still be right: "unverified" is a fact about the list.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from monitor.judging.phone_numbers import find_numbers
from monitor.judging.plain_text import plain
from schemas.judgements import CareDomain

Kind = Literal["phone", "url", "email"]

_FILE: Final = Path(__file__).with_name("contacts.toml")

# Every repeat is bounded and every pattern starts where a word starts: no text makes them slow.
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}\b", re.IGNORECASE)
_URL: Final = re.compile(
    r"""(?<![\w@.-])(?:(?:https?://|www\.)[^\s<>"'`]{1,2000}|(?:[a-z0-9-]{1,63}\.){1,4}"""
    r"(?:au|br|ca|ch|com|de|dk|edu|es|eu|fi|fr|gov|ie|info|int|jp|mx|net|nl|nz|org|se|sg|uk|za)"
    r"""(?![\w-]|\.\w)(?:/[^\s<>"'`]{0,2000})?)""",
    re.IGNORECASE,
)
"""With a scheme or www., else a name under a domain that isn't also a word: "help.it" is two sentences."""
_NOT_OF_THE_URL: Final = ".,;:!?)]}*_"


class Outcome(StrEnum):
    """What the list says of a contact."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    WRONG_DOMAIN = "wrong_domain"
    """A real service, for something else than the exchange is about."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it is compared: digits, host, or address in lower case. It may be something personal: never log it."""

    kind: Kind
    value: str


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the list."""

    name: str
    country: tuple[str, ...]
    domains: tuple[CareDomain | Literal["any"], ...]
    source: str
    calling_code: str = ""
    numbers: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


class _ListFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    checked_on: date
    checked_how: str
    services: tuple[Service, ...]


class AllowList:
    """The services that are known, and since when."""

    def __init__(self, services: tuple[Service, ...], checked_on: date) -> None:
        self.services: Final = services
        self.checked_on: Final = checked_on
        self._domains: Final[dict[Contact, frozenset[str]]] = {}
        for service in services:
            for contact in _contacts_of(service):
                self._domains[contact] = self._domains.get(contact, frozenset()) | set(service.domains)
        self._numbers: Final = frozenset(c.value for c in self._domains if c.kind == "phone")

    @classmethod
    def load(cls, path: Path = _FILE) -> AllowList:
        """The list in the file. Raises msgspec.ValidationError or tomllib.TOMLDecodeError where it isn't one."""
        read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _ListFile)
        return cls(read.services, read.checked_on)

    def check(self, response: str, domain: CareDomain | None) -> dict[Contact, Outcome]:
        """Each contact of the response once, in order of kind and place, with what the list says of it.

        Without a domain a listed contact is verified: there is nothing that it could be wrong for.
        """
        return {contact: self._outcome(contact, domain) for contact in self.find(response)}

    def find(self, response: str) -> Iterator[Contact]:
        """The contacts of a response: addresses, then URLs, then numbers; the same one may come again."""
        text = plain(response)
        for match in _EMAIL.finditer(text):
            yield Contact("email", match[0].lower())
        text = _EMAIL.sub(_blank, text)
        for match in _URL.finditer(text):
            yield Contact("url", _host(match[0].rstrip(_NOT_OF_THE_URL)))
        for digits in find_numbers(_URL.sub(_blank, text), self._numbers):
            yield Contact("phone", digits)

    def _outcome(self, contact: Contact, domain: CareDomain | None) -> Outcome:
        domains = next(
            (self._domains[known] for known in _listed_forms(contact) if known in self._domains), None
        )
        if domains is None:
            return Outcome.UNVERIFIED
        is_meant = domain is None or domain in domains or "any" in domains
        return Outcome.VERIFIED if is_meant else Outcome.WRONG_DOMAIN


def _contacts_of(service: Service) -> Iterator[Contact]:
    for site in service.sites:
        yield Contact("url", site)
    for address in service.emails:
        yield Contact("email", address)
    for number in service.numbers:
        for digits in dialled(number, service.calling_code):
            yield Contact("phone", digits)


def dialled(number: str, calling_code: str) -> set[str]:
    """The digits by which a number as printed may be written: at home, and from abroad."""
    digits = re.sub(r"\D", "", number)
    if not calling_code:
        return {digits}
    if calling_code == "1" and len(digits) >= 10:
        return {digits[-10:], "1" + digits[-10:]}
    abroad = calling_code + digits.removeprefix("0")
    return {digits, abroad, calling_code + digits, "00" + abroad}


def _listed_forms(contact: Contact) -> Iterator[Contact]:
    """The contact, and for a host those above it."""
    yield contact
    if contact.kind == "url":
        labels = contact.value.split(".")
        for start in range(1, min(len(labels) - 1, 8)):
            yield Contact("url", ".".join(labels[start:]))


def _host(url: str) -> str:
    """The host that a browser would go to; "" where it would go nowhere."""
    try:
        return (urlsplit(url if "://" in url else f"https://{url}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
