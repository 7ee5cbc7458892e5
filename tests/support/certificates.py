"""Real certificates, made by `openssl`; a test that asks for one is skipped where there is no such program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class Authority:
    """A certificate authority in a folder: `ca.pem`, and whatever it signs."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "ca.pem"
        _openssl(folder, "req", "-x509", *_KEY, "-days", "30", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", f"/CN={name}", *_AUTHORITY)

    def sign(self, name: str, *, days: int = 30, folder: Path | None = None) -> tuple[Path, Path]:
        """A certificate for localhost and its key, as paths."""
        target = folder or self.folder
        _openssl(self.folder, "req", *_KEY, "-keyout", "new-key.pem", "-out", "new.csr", "-subj", f"/CN={name}")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        signed = ("x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", str(days), "-extfile", "names")
        _openssl(self.folder, *signed, "-out", "new.pem")
        cert, key = target / f"{name}.pem", target / f"{name}-key.pem"
        (self.folder / "new.pem").replace(cert)
        (self.folder / "new-key.pem").replace(key)
        return cert, key


# What Python 3.13 asks of who signs, and what `req -x509` does not say by itself.
_AUTHORITY = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
