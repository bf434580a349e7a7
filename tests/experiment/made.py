"""Policies with an experiment, and the arm of a card in plain Python, from the texts of the event alone."""

import hashlib
from typing import Any

from scoring.policy import Policy, policy_from

M = (1 << 64) - 1
BEFORE, FROM, TO = "2025-01-01T00:00:00Z", "2025-05-31T15:00:00Z", "2025-06-30T00:00:00Z"
"""Times of an experiment. The traffic of tests/engine begins at 2025-05-31T15:04Z."""
SIGNED = {"author": "t.suzuki", "reason": "r"}
WORDS = {"en": "a", "ja": "b"}


def final(h: int) -> int:
    """Mix the bits as MurmurHash3 does at its end."""
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCD & M
    h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53 & M
    return h ^ (h >> 33)


def scramble(word: int) -> int:
    word = word * 0x87C37B91114253D5 & M
    return ((word << 31) | (word >> 33)) * 0x4CF5AD432745937F & M


def text_hash(text: str) -> int:
    """Hash a text, eight bytes a step."""
    data = text.encode()
    h = 0x5E5B1540A3C9D271 ^ len(data) * 0x4CF5AD432745937F & M
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        h ^= scramble(int.from_bytes(data[at : at + 8], "little"))
        h = (((h << 27) | (h >> 37)) * 5 + 0x52DCE729) & M
    return final(h ^ scramble(int.from_bytes(data[whole:], "little")))


def chained(left: int, right: int) -> int:
    return final((left * 5 + 0x38495AB5 & M) ^ ((right << 31 | right >> 33) & M))


def bucket_of(acquirer: str, token: str, salt: str) -> int:
    """Return the bucket of a card at an acquirer, 0 to 999."""
    h = chained(chained(1, text_hash(acquirer)), text_hash(token))
    h ^= int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "little")
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & M
    h = (h ^ h >> 27) * 0x94D049BB133111EB & M
    return ((h ^ h >> 31) >> 32) * 1000 >> 32


def arm_of(event: dict[str, Any], share: int, salt: str) -> str:
    """Return the arm of an event, in the time of an experiment."""
    return "B" if bucket_of(event["acquirer"]["id"], event["card"]["pan_hmac"], salt) < share else "A"


def levels(review: int, step_up: int, block: int) -> dict[str, int]:
    return {"review": review, "step_up": step_up, "block": block}


def experiment(share: int = 500, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": "x",
        "share_per_mille": share,
        "effective_from": FROM,
        "effective_to": TO,
        "approver": "k.sato",
        "candidate": {"version": "c"},
    }
    return made | SIGNED | more


def policy(share: int | None = 500, candidate: dict[str, Any] | None = None, **document: Any) -> Policy:
    """Make a policy with an experiment, or without one if `share` is None."""
    base = {"version": "p", "global": levels(400, 600, 800), **document}
    if share is not None:
        base.setdefault("experiment", experiment(share, candidate={"version": "c", **(candidate or {})}))
    return policy_from(base)


def rule(name: str, when: str, action: str = "review", mode: str = "on", **more: Any) -> dict[str, Any]:
    return {"id": name, "when": when, "action": action, "mode": mode, "text": WORDS} | SIGNED | more
