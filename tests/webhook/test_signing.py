"""Signatures equal the specification's vector and an independent calculation; a wrong secret is named by its place."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from streams.kafka.security import SecretError
from streams.kafka.settings import Secret
from streams.webhook.signing import Signer, SigningSecretError, signer_of

# The example of the Standard Webhooks specification and of its reference libraries.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- published in the specification
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT_S = 1_614_265_330
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def expected(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """Sign as a receiver verifies: with the standard library, from the text of the specification."""
    key = base64.b64decode(secret.split("_", 1)[1])
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in (message_id.encode(), b".", str(at_s).encode(), b".", body):
        mac.update(part)
    return "v1," + base64.b64encode(mac.digest()).decode()


@pytest.fixture
def vector(monkeypatch: pytest.MonkeyPatch) -> Signer:
    monkeypatch.setenv("WEBHOOK", VECTOR_SECRET)
    return signer_of([Secret(env="WEBHOOK")])


def test_the_vector_of_the_specification_is_met(vector: Signer) -> None:
    headers = vector.headers(VECTOR_ID, VECTOR_AT_S, VECTOR_BODY)
    assert headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": str(VECTOR_AT_S),
        "webhook-signature": VECTOR_SIGNATURE,
    }
    assert expected(VECTOR_SECRET, VECTOR_ID, VECTOR_AT_S, VECTOR_BODY) == VECTOR_SIGNATURE


def test_every_secret_signs_during_a_rotation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = "whsec_" + base64.b64encode(bytes(range(64))).decode()
    (tmp_path / "new").write_text(new + "\n")
    monkeypatch.setenv("OLD", VECTOR_SECRET)
    signer = signer_of([Secret(file=str(tmp_path / "new")), Secret(env="OLD")])
    signature = signer.headers("a-1", 7, b"\x00body")["webhook-signature"]
    assert signature.split(" ") == [expected(secret, "a-1", 7, b"\x00body") for secret in (new, VECTOR_SECRET)]


@pytest.mark.parametrize("key", [bytes(24), bytes(64)], ids=len)
def test_keys_of_24_to_64_bytes_are_accepted(monkeypatch: pytest.MonkeyPatch, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    monkeypatch.setenv("WEBHOOK", secret)
    assert signer_of([Secret(env="WEBHOOK")]).headers("i", 1, b"")["webhook-signature"] == expected(secret, "i", 1, b"")


@pytest.mark.parametrize(
    "text",
    [
        VECTOR_SECRET.removeprefix("whsec_"),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_" + "not base64!" * 4,
        "whsec_" + "秘" * 40,
        "whsec_" + "A" * 33,
    ],
)
def test_another_form_is_refused_with_its_place_and_without_its_content(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("GOOD", VECTOR_SECRET)
    monkeypatch.setenv("WEBHOOK", text)
    with pytest.raises(SigningSecretError, match=r"webhook\.secrets\[1\], environment variable WEBHOOK: ") as caught:
        signer_of([Secret(env="GOOD"), Secret(env="WEBHOOK")])
    assert text not in str(caught.value)
    assert text.removeprefix("whsec_") not in str(caught.value)


def test_a_missing_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBHOOK", raising=False)
    with pytest.raises(SecretError, match="environment variable WEBHOOK"):
        signer_of([Secret(env="WEBHOOK")])
