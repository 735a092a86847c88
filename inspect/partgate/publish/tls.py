"""Encrypted connections: certificate and host name are always checked, by the system's authorities or a given one."""

import ssl

from pydantic import Field, model_validator

from partgate.configfile import RelativePath, Settings
from partgate.errors import ConfigError


class TlsFiles(Settings):
    """Whom to trust, and how the station shows who it is; ``tls: {}`` trusts the authorities of the system."""

    ca: RelativePath | None = Field(
        default=None, description="certificate of the authority to trust (PEM), and no other; if unset the system's"
    )
    cert: RelativePath | None = Field(default=None, description="own certificate (PEM), where one is asked for")
    key: RelativePath | None = Field(default=None, description="its private key (PEM), without a password")

    @model_validator(mode="after")
    def _cert_and_key_come_together(self) -> "TlsFiles":
        if (self.cert is None) != (self.key is None):
            raise ValueError("must name both cert and key, or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Return what a connection is made with: TLS 1.2 or newer, certificate and host name checked.

        Raises:
            ConfigError: If a file is missing, is no certificate, or the key does not fit or has a password.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # an SSLError is one, too
            raise ConfigError(
                [f"certificate authority {self.ca}: cannot be read: {_why(error, 'no certificate in it')}"]
            ) from error
        context.sslsocket_class = _ClosesAfterRefusal
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None and self.key is not None:
            try:
                # An empty password: OpenSSL would otherwise ask for one at a terminal that nobody watches.
                context.load_cert_chain(self.cert, self.key, password="")
            except (OSError, ValueError) as error:
                why = _why(error, "not readable")
                raise ConfigError([
                    f"certificate {self.cert} with key {self.key}: cannot be used: {why}; both must be PEM and fit "
                    "each other, and the key must have no password"
                ]) from error  # fmt: skip
        return context


class _ClosesAfterRefusal(ssl.SSLSocket):
    """Leaves no open socket behind where the other side's certificate is refused: not every library closes it."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys; a failure closes the connection."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _why(error: Exception, otherwise: str) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or otherwise).lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)


def certificate_problem(error: Exception) -> str | None:
    """Return why a certificate was refused and what to do; ``None`` where the error is another one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message}); renew it, or set tls.ca to the authority's file"
    return None
