"""Which account a client certificate is bound to (EXTERNAL).

Rules: a certificate opens exactly one account: the one mail address in its subjectAltName; none or several open
nothing, so that a certificate made for something else never opens anybody's mail. TLS has verified the chain; the
dates are looked at here too, because a resumed TLS session is not verified anew.
Serves RFC 4422 appendix A, RFC 5280 §4.2.1.6.
"""

from __future__ import annotations

import datetime
import hashlib

from cryptography import x509

# Not all of the library's exceptions are ValueErrors.
_UNREADABLE = (
    ValueError,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def account_of(certificate: bytes, now: float) -> str | None:
    """The mail address that a certificate in DER is for, at `now` (UTC seconds); None when it opens nothing."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _UNREADABLE:
        return None
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if not parsed.not_valid_before_utc <= when <= parsed.not_valid_after_utc:
        return None
    addresses = names.get_values_for_type(x509.RFC822Name)
    return addresses[0] if len(addresses) == 1 else None


def fingerprint(certificate: bytes) -> str:
    """A certificate's name for events and for ending sessions: the beginning of its SHA-256."""
    return hashlib.sha256(certificate).hexdigest()[:16]
