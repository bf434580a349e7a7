"""Card numbers made at run time, so that the repository contains none."""

from collections.abc import Iterator


def luhn_digit(body: str) -> str:
    """Give the check digit of a number (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, character in enumerate(reversed(body)):
        digit = int(character) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def number(prefix: str, size: int, filler: str = "1") -> str:
    """Make a number of a network: its prefix, random digits, and the check digit."""
    body = (prefix + filler * size)[: size - 1]
    return body + luhn_digit(body)


NETWORKS = {
    "visa 16": number("4", 16),
    "visa 19": number("4", 19, "0"),
    "mastercard 5": number("51", 16),
    "mastercard 2": number("2221", 16, "3"),
    "amex 34": number("34", 15),
    "amex 37": number("37", 15, "8"),
    "jcb": number("3530", 16, "7"),
    "jcb 19": number("3589", 19, "7"),
    "diners 36": number("36", 14),
    "diners 305": number("305", 14, "6"),
    "discover": number("6011", 16),
    "discover 65": number("65", 16, "9"),
    "unionpay": number("62", 16),
    "unionpay 19": number("81", 19),
    "maestro": number("6759", 18),
    "maestro 13": number("6759", 13, "3"),
    "elo 504175": number("504175", 16),
    "elo 506699": number("506699", 16),
    "elo 506778": number("506778", 16, "3"),
    "elo 509": number("509043", 16),
    "elo 636297": number("636297", 16),
    "elo 636368": number("636368", 16),
    "rupay 60": number("607091", 16),
    "rupay 508": number("508528", 16),
    "rupay 82": number("820137", 16),
}
"""One for every range of `scoring.decode.networks`."""

PAN = NETWORKS["visa 16"]


def luhn_runs(text: str) -> Iterator[str]:
    """Find every run of 13 digits or more that passes Luhn's check, of any issuer."""
    run = ""
    for character in text + " ":
        if character.isdigit():
            run += character
        else:
            if len(run) >= 13 and luhn_digit(run[:-1]) == run[-1]:
                yield run
            run = ""
