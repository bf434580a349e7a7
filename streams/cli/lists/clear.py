"""Values in clear, as a list of them comes from a bank or the police, and the keyed hashes that events carry of them.

    normal form          the text of a value in the one spelling that is hashed
    keyed hash           HMAC-SHA256 (FIPS 198-1) of the normal form in UTF-8

Events come with hashes that another system made. An entry hits only if that system uses the same key, normal form and
encoding; the page on lists has a test vector of each kind to compare with.
"""

import hmac
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from types import MappingProxyType
from typing import Final, Literal, get_args

Encoding = Literal["hex", "base64", "base64url"]

ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)
CLEAR_MAX: Final = 1_024
"""Most bytes of a value in clear."""

KEY_MIN: Final = 16
"""Least bytes of a key: card numbers are few enough to try all of them with a key that can be guessed."""

_CARD_DIGITS: Final = range(12, 20)  # ISO/IEC 7812-1: at most 19; the shortest numbers in use have 12
_PREFIX_BITS: Final = {4: 24, 6: 48}
"""Bits of a network by version of the protocol: what one customer usually has."""


class ClearValueError(ValueError):
    """Raised for a value that is refused. The text names the cause and the way out, never the value."""


def _card(text: str) -> str:
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in _CARD_DIGITS):
        raise ClearValueError("is no card number: write 12 to 19 digits, or hash tokens of cards with --exact")
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    if (doubled + sum(map(int, digits[-1::-2]))) % 10:
        raise ClearValueError("is no card number: its check digit is wrong")
    return digits


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not local or not domain or "@" in local or any(letter.isspace() for letter in text):
        raise ClearValueError("is no e-mail address: write one address, without a name before it")
    return text.lower()


def _address_of(text: str) -> IPv4Address | IPv6Address:
    try:
        found = ip_address(text)
    except ValueError:
        raise ClearValueError("is no network address: write one address of IPv4 or IPv6") from None
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            raise ClearValueError("has a zone: delete it, from the % on")
        return found.ipv4_mapped or found
    return found


def _ip(text: str) -> str:
    return str(_address_of(text))


def _network(text: str) -> str:
    if "/" not in text:
        address = _address_of(text)
        return str(ip_network(f"{address}/{_PREFIX_BITS[address.version]}", strict=False))
    try:
        found = ip_network(text)
    except ValueError:
        raise ClearValueError("is no network: write its first address and its bits, such as 203.0.113.0/24") from None
    if found.prefixlen != _PREFIX_BITS[found.version]:
        bits = 24 if isinstance(found, IPv4Network) else 48
        raise ClearValueError(f"is no network of {bits} bits, and events carry no others: write each of {bits} bits")
    return str(found)


def _delivery(text: str) -> str:
    return " ".join(text.casefold().split())


def _given(text: str) -> str:
    return text


_NORMAL: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "card": _card,
        "device": _given,
        "email": _email,
        "ip": _ip,
        "ip_network": _network,
        "account": _given,
        "address": _delivery,
    }
)

CLEAR_KINDS: Final[tuple[str, ...]] = tuple(_NORMAL)
"""Kinds whose values events carry as keyed hashes. A BIN and the id of a merchant are carried as they are."""


def normal_form(kind: str, text: str) -> str:
    """Return the spelling of a value that is hashed: NFKC of Unicode without blanks around it, then that of its kind.

    >>> normal_form("card", "6200 0000 0000 0005")[-4:], normal_form("email", " Taro@Example.JP ")
    ('0005', 'taro@example.jp')
    >>> normal_form("ip", "::ffff:192.0.2.7"), normal_form("ip_network", "192.0.2.7")
    ('192.0.2.7', '192.0.2.0/24')

    Raises:
        ClearValueError: the text is no value of the kind.
    """
    return _NORMAL[kind](unicodedata.normalize("NFKC", text).strip())


class Hasher:
    """Turn lines of values in clear into the values of a list. `is_exact`: hash each line as it is."""

    def __init__(self, kind: str, key: bytes, encoding: Encoding = "hex", *, is_exact: bool = False) -> None:
        if len(key) < KEY_MIN:
            raise ValueError(f"the key has less than {KEY_MIN} bytes")
        self._kind, self._encoding, self._is_exact = kind, encoding, is_exact
        self._key = key

    def value(self, line: bytes) -> str:
        """Return the keyed hash of a line, which is one value in UTF-8 without its line break.

        Raises:
            ClearValueError: the line is refused.
        """
        if not line.strip():
            raise ClearValueError("is blank: delete the line")
        if len(line) > CLEAR_MAX:
            raise ClearValueError(f"has more than {CLEAR_MAX:,} bytes")
        if not self._is_exact:
            try:
                line = normal_form(self._kind, line.decode()).encode()
            except UnicodeDecodeError:
                raise ClearValueError("is not text in UTF-8: convert the file") from None
        digest = hmac.digest(self._key, line, sha256)
        if self._encoding == "hex":
            return digest.hex()
        return (b64encode if self._encoding == "base64" else urlsafe_b64encode)(digest).decode()
