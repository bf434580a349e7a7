"""Certificates for tests, made by the `openssl` command at run time; no key is committed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

EXPIRED_DAYS = -1  # what `openssl x509` has for tests of expiry
KEY_PASSWORD = "of the key"  # noqa: S105 - of keys that live as long as a test


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files; `both` is a file with both."""

    certificate: Path
    key: Path

    @property
    def both(self) -> Path:
        """Write key and certificate into one file and return it."""
        file = self.key.with_suffix(".both.pem")
        file.write_text(self.key.read_text() + self.certificate.read_text())
        return file


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._name = name
        self._pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
        new = ["req", "-x509", "-nodes", *_NEW_KEY, "-keyout", str(self._pair.key), "-out", str(self.file)]
        _openssl(*new, "-days", "30", "-subj", f"/CN={name}")

    @property
    def file(self) -> Path:
        """The certificate that others trust."""
        return self._pair.certificate

    def issue(self, name: str, *, hosts: str = "IP:127.0.0.1,DNS:localhost", days: int = 30) -> Pair:
        """Issue a certificate for CN=`name` and `hosts`, for servers and clients."""
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        request, more = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        more.write_text(f"subjectAltName={hosts}\n")
        _openssl("req", "-nodes", *_NEW_KEY, "-keyout", str(pair.key), "-out", str(request), "-subj", f"/CN={name}")
        signed_by = ["-CA", str(self.file), "-CAkey", str(self._pair.key), "-CAcreateserial"]
        lasting = ["-days", str(days), "-extfile", str(more)]
        _openssl("x509", "-req", "-in", str(request), *signed_by, *lasting, "-out", str(pair.certificate))
        return pair


def locked(key: Path) -> Path:
    """Encrypt a key with `KEY_PASSWORD` and return the file."""
    file = key.with_suffix(".locked.key")
    _openssl("pkcs8", "-topk8", "-in", str(key), "-out", str(file), "-passout", f"pass:{KEY_PASSWORD}")
    return file


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)
