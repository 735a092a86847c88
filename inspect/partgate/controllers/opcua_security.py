"""Certificates and keys of the OPC UA drivers: how they are read, checked and pinned.

Neither driver asks a certificate authority: each names the certificates that it accepts. Expired ones, those of another
application and keys that others can read are refused.

Source:
    OPC 10000-6, 6.2.2 (application instance certificate, its URI); OPC 10000-7 (Basic256Sha256).
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from partgate.errors import ConfigError

_LONGEST_FILE = 65536  # bytes
_PEM = b"-----BEGIN"


class RefusedError(Exception):
    """One side does not accept the other: trying again soon would not help."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """An application's certificate."""

    path: Path
    der: bytes
    uris: tuple[str, ...]  # the application's URI stands in it, under its alternative names
    valid_from: datetime  # UTC
    valid_until: datetime  # UTC

    def check_dates(self, now: datetime | None = None) -> None:
        """Raise ``RefusedError`` where it is not valid now."""
        now = now or datetime.now(UTC)
        if now > self.valid_until:
            raise RefusedError(
                f"certificate {self.path} expired on {self.valid_until:%Y-%m-%d %H:%M} UTC; make a new one"
            )
        if now < self.valid_from:
            raise RefusedError(
                f"certificate {self.path} is valid from {self.valid_from:%Y-%m-%d %H:%M} UTC on; "
                "is this PC's clock right?"
            )


def read_security_file(path: Path, what: str, *, private: bool = False) -> bytes:
    """Return the bytes of a certificate or key.

    Raises:
        ConfigError: If it cannot be read, or a key can be read by others than its owner.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError([f"{what} {path}: cannot be read: {error.strerror}"]) from error
    if private and os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError([f"{what} {path}: must be readable by its owner alone, its mode is {stat.S_IMODE(mode):04o}; "
                           f"run: chmod 600 {path}"])  # fmt: skip
    if not content or len(content) > _LONGEST_FILE:
        raise ConfigError([f"{what} {path}: must hold 1 to {_LONGEST_FILE} bytes, got {len(content)} or more"])
    return content


def parse_certificate(path: Path, content: bytes) -> Certificate:
    """Return a certificate from PEM or DER.

    Raises:
        ConfigError: If it is none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        load = x509.load_pem_x509_certificate if _PEM in content else x509.load_der_x509_certificate
        found = load(content)
        try:
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            uris = tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
        except x509.ExtensionNotFound:
            uris = ()
    except ValueError as error:
        raise ConfigError([f"certificate {path}: is no X.509 certificate in PEM or DER"]) from error
    der = found.public_bytes(Encoding.DER)
    return Certificate(path, der, uris, found.not_valid_before_utc, found.not_valid_after_utc)


def parse_own(path: Path, content: bytes, key_path: Path, key: bytes) -> tuple[Certificate, bytes]:
    """Return this side's certificate and its key in DER.

    Raises:
        ConfigError: If the key is not RSA, locked by a password, not the certificate's, or the certificate names no
            URI.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    certificate = parse_certificate(path, content)
    if not certificate.uris:
        raise ConfigError([f"certificate {path}: names no URI of an application among its alternative names; OPC UA "
                           "needs one: docs/guides/opcua.md shows how to make it"])  # fmt: skip
    try:
        load = serialization.load_pem_private_key if _PEM in key else serialization.load_der_private_key
        found = load(key, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"key {key_path}: is no RSA key without a password, in PEM or DER"]) from error
    owner = x509.load_der_x509_certificate(certificate.der).public_key()
    if not isinstance(found, RSAPrivateKey) or found.public_key() != owner:
        raise ConfigError([f"key {key_path}: is not the key of certificate {path}"])
    der = found.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate, der


@dataclass(frozen=True, slots=True)
class Identity:
    """What one side proves itself with, and whom it accepts; bytes as they stood in the files."""

    certificate_path: Path
    certificate: bytes
    key_path: Path
    key: bytes
    trusted: tuple[tuple[Path, bytes], ...]

    @classmethod
    def read(cls, certificate: Path, key: Path, trusted: tuple[Path, ...]) -> "Identity":
        """Return what the files hold.

        Raises:
            ConfigError: If one cannot be read, or others can read the key.
        """
        return cls(
            certificate,
            read_security_file(certificate, "certificate"),
            key,
            read_security_file(key, "key", private=True),
            tuple((path, read_security_file(path, "certificate")) for path in trusted),
        )

    def parse(self) -> tuple[Certificate, bytes, tuple[Certificate, ...]]:
        """Return the own certificate, its key in DER, and those that are accepted.

        Raises:
            ConfigError: If one is no certificate, or the key does not fit.
        """
        own, key = parse_own(self.certificate_path, self.certificate, self.key_path, self.key)
        return own, key, tuple(parse_certificate(path, content) for path, content in self.trusted)


async def secure(client: Any, identity: Identity) -> None:
    """Set certificates of an asyncua client, after asking the server openly which it shows.

    Nothing rests on that answer but the reason that a refusal is told with: the channel is then encrypted for the
    pinned certificate alone.

    Raises:
        RefusedError: If a certificate is not valid now, or the server shows another one or offers no encryption.
    """
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
    from asyncua.crypto.uacrypto import CertProperties

    own, key, (pinned,) = identity.parse()
    for certificate in (own, pinned):
        certificate.check_dates()
    found = await client.connect_and_get_server_endpoints()
    offered = [
        endpoint for endpoint in found
        if endpoint.SecurityMode.name == "SignAndEncrypt"
        and endpoint.SecurityPolicyUri == SecurityPolicyBasic256Sha256.URI
    ]  # fmt: skip
    if not offered:
        raise RefusedError("the server does not offer Basic256Sha256 with SignAndEncrypt; enable it there")
    if not any(endpoint.ServerCertificate == pinned.der for endpoint in offered):
        raise RefusedError(
            f"the server shows another certificate than {pinned.path}; is it the right PLC? "
            "If its certificate was renewed, copy the new one there"
        )
    uri = offered[0].Server.ApplicationUri
    if uri not in pinned.uris:
        names = ", ".join(pinned.uris) or "no URI"
        raise RefusedError(f"the server calls itself {uri}, its certificate {pinned.path} names {names}")
    client.application_uri = own.uris[0]
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        CertProperties(own.der, "der"),
        CertProperties(key, "der"),
        server_certificate=CertProperties(pinned.der, "der"),
    )
