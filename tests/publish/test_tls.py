"""Certificates: files that cannot be used are named, names and dates are always checked."""

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from partgate.errors import ConfigError
from partgate.publish.tls import TlsFiles


def test_missing_authority_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"certificate authority .*ca\.pem: cannot be read: No such file"):
        TlsFiles(ca=tmp_path / "ca.pem").context()


def test_file_without_a_certificate_is_no_authority(tmp_path: Path):
    path = tmp_path / "ca.pem"
    path.write_text("nothing", encoding="utf-8")

    with pytest.raises(ConfigError, match="cannot be read: no certificate"):
        TlsFiles(ca=path).context()


def test_key_with_a_password_is_refused_and_asks_nobody(certificates: Any, tmp_path: Path):
    key = serialization.load_pem_private_key((certificates.folder / "good.key").read_bytes(), None)
    path = tmp_path / "good.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    code = (
        "import sys\nfrom pathlib import Path\nfrom partgate.publish.tls import TlsFiles\n"
        "TlsFiles(cert=Path(sys.argv[1]), key=Path(sys.argv[2])).context()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, certificates.folder / "good.pem", path],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip

    assert "and the key must have no password" in done.stderr
    assert "pass phrase" not in done.stdout + done.stderr  # OpenSSL would wait at a terminal for it


def test_key_of_another_certificate_is_refused(certificates: Any):
    with pytest.raises(ConfigError, match=r"with key .* key values mismatch; both must be PEM and fit each other"):
        TlsFiles(cert=certificates.folder / "good.pem", key=certificates.folder / "other.key").context()


def test_name_and_certificate_are_always_checked_and_old_protocols_refused(certificates: Any):
    context = TlsFiles(ca=certificates.ca).context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1  # and not the system's authorities
