"""Wrong files of certificates and keys are named with their setting, and no password prompt appears."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import pytest

from streams.kafka.security import SecretError, TlsFileError, read_secret, tls_context
from streams.kafka.settings import Secret, Tls
from tests.brokers.certificates import KEY_PASSWORD, Authority, Pair, locked
from tests.examples import is_quick


class Files(NamedTuple):
    """A client's certificate and key, those of another client, the key with a password, and invalid files."""

    ours: Pair
    other: Pair
    locked: Path
    text: Path
    half: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder)
    ours = authority.issue("ours")
    made = Files(ours, authority.issue("other"), locked(ours.key), folder / "text", folder / "half")
    made.text.write_text("no certificate\n")
    made.half.write_text(ours.certificate.read_text()[:200])
    return made


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKISHO_TEST_KEY", KEY_PASSWORD)
    monkeypatch.setenv("SEKISHO_TEST_WRONG", "hunter2")
    monkeypatch.setenv("SEKISHO_TEST_LONG", "hunter2" * 1_000)


def tls(certificate: Path, key: Path, password: str | None = None) -> Tls:
    secret = Secret(env=password) if password else None
    return Tls(certificate_file=str(certificate), key_file=str(key), key_password=secret)


def test_a_certificate_and_its_key_may_be_in_one_file_and_the_key_locked(files: Files) -> None:
    assert tls_context(tls(files.ours.certificate, files.ours.key)).cert_store_stats()["x509_ca"] > 0
    tls_context(tls(files.ours.both, files.ours.both))
    tls_context(tls(files.ours.certificate, files.locked, "SEKISHO_TEST_KEY"))
    tls_context(tls(files.ours.certificate, files.ours.key, "SEKISHO_TEST_KEY"))  # a password that is not needed


def wrong(files: Files) -> Iterator[tuple[Tls, str, Path, str]]:
    """Yield settings, the wrong setting, its file, and the expected message."""
    ours, other = files.ours, files.other
    no_certificate, no_key = "holds no certificate in PEM form", "holds no private key in PEM form"
    yield Tls(ca_file=str(files.text)), "ca_file", files.text, no_certificate
    yield Tls(ca_file=str(files.half)), "ca_file", files.half, no_certificate
    yield Tls(ca_file=str(ours.key)), "ca_file", ours.key, no_certificate
    yield Tls(ca_file=str(ours.key.parent)), "ca_file", ours.key.parent, "Is a directory"
    yield Tls(ca_file="/no/such.pem"), "ca_file", Path("/no/such.pem"), "No such file or directory"
    yield tls(files.text, ours.key), "certificate_file", files.text, no_certificate
    yield tls(ours.key, ours.key), "certificate_file", ours.key, no_certificate
    yield tls(Path("/no/such.pem"), ours.key), "certificate_file", Path("/no/such.pem"), "No such file or directory"
    yield tls(ours.certificate, files.text), "key_file", files.text, no_key
    yield tls(ours.certificate, ours.certificate), "key_file", ours.certificate, no_key
    yield tls(ours.certificate, Path("/no/such.key")), "key_file", Path("/no/such.key"), "No such file or directory"
    yield tls(ours.certificate, other.key), "key_file", other.key, "is not the key of the certificate in"
    yield tls(ours.certificate, files.locked), "key_file", files.locked, "is encrypted: name its password with"
    for password in ("SEKISHO_TEST_WRONG", "SEKISHO_TEST_LONG"):
        told = "cannot be decrypted with the password that kafka.tls.key_password names"
        yield tls(ours.certificate, files.locked, password), "key_file", files.locked, told


def test_each_wrong_file_is_named_with_its_setting_and_what_is_wrong(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if is_quick() else ():
        monkeypatch.setenv(name, os.devnull)  # to load the authorities of the system takes 20 ms each time
    for settings, setting, file, reason in wrong(files):
        with pytest.raises(TlsFileError) as raised:
            tls_context(settings)
        told = str(raised.value)
        assert told.startswith(f"kafka.tls.{setting} {file}: {reason}"), told
        assert "hunter2" not in told
        assert "\n" not in told


ON_A_TERMINAL = """\
import fcntl, sys, termios
from streams.kafka.security import TlsFileError, tls_context
from streams.kafka.settings import Tls
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # where OpenSSL would write its prompt and wait for an answer
try:
    tls_context(Tls(certificate_file=sys.argv[1], key_file=sys.argv[2]))
except TlsFileError as error:
    print("told:", error)
"""


def test_a_locked_key_without_a_password_causes_no_prompt(files: Files) -> None:
    command = [sys.executable, "-c", ON_A_TERMINAL, str(files.ours.certificate), str(files.locked)]
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        try:
            written = b""
            while b"pass phrase" not in written and (part := _read(screen)):
                written += part
        finally:
            process.kill()
            process.wait()
    assert written.startswith(b"told: kafka.tls.key_file"), written


def _read(screen: IO[bytes]) -> bytes:
    try:
        return screen.read(4_096)
    except OSError:  # Linux raises this when no process writes to the terminal any more
        return b""


def test_a_secret_that_is_no_text_is_named_without_a_byte_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xffhunter2")
    with pytest.raises(SecretError) as raised:
        read_secret(Secret(file=str(tmp_path / "secret")))
    assert str(raised.value) == f"secret file {tmp_path / 'secret'} is not text in UTF-8"
