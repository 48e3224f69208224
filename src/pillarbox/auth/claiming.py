"""Whose account an attempt is about, before anything is proved.

Rules: the first source that knows the name decides; a source never answers for somebody else; what proves its account
by itself (a token, a certificate) is judged here, for it has to be read to know the name; a refusal here is one of
many, and looks like all others to the peer (P42).
Elsewhere: names (`names`), tokens (`tokens`), what follows (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pillarbox.auth.attempt import Attempt, Certificate, Outcome, Refused, Token
from pillarbox.auth.client_certificates import account_of, fingerprint
from pillarbox.auth.mfa import Factor
from pillarbox.auth.names import InvalidName, canonical_or_typed, normalise
from pillarbox.auth.proving import Shown
from pillarbox.auth.sources import AccountsSource, Credential, Source
from pillarbox.auth.token_claims import Invalid

if TYPE_CHECKING:
    from pillarbox.auth.tokens import TokenVerifier  # its library is an extra

INVALID_NAME = Refused(Outcome.CREDENTIALS, "not a possible name")
UNKNOWN_USER = Refused(Outcome.CREDENTIALS, "unknown user")
OTHER_IDENTITY = Refused(Outcome.CREDENTIALS, "another identity was asked for")
NO_TOKENS = Refused(Outcome.CREDENTIALS, "tokens are not accepted")
UNBOUND = Refused(Outcome.CREDENTIALS, "the certificate is bound to no account")


class Claimed(NamedTuple):
    """Whose account an attempt is about, and what is known of it.

    Attributes:
        name: canonical; what was typed where that is no possible name.
        shown: what was shown already: a token proves its account by itself.
        refusal: why nothing more needs to be looked at.
    """

    name: str
    source: Source | None = None
    credential: Credential | None = None
    shown: Shown | None = None
    refusal: Refused | None = None


class Claims:
    """Finds the accounts.

    Args:
        sources: asked in this order; their names differ.
        default_domain: added to a login that has no domain.
        wall_clock: UTC seconds.
        tokens: judges bearer tokens; None where none are accepted.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        default_domain: str,
        wall_clock: Callable[[], float],
        tokens: TokenVerifier | None,
    ) -> None:
        if len({source.name for source in sources}) < len(sources):
            # The cache of right passwords tells sources apart by name.
            raise ValueError("two sources of accounts have the same name")
        self._sources = tuple(sources)
        self._accounts_only = all(isinstance(source, AccountsSource) for source in sources)
        self._default_domain = default_domain
        self._wall_clock = wall_clock
        self._tokens = tokens

    async def of(self, attempt: Attempt) -> Claimed:
        """Whose account it is.

        Raises:
            SourceUnavailable: nobody can tell now.
        """
        login, shown = attempt.login, None
        if isinstance(attempt.proof, Token):
            if self._tokens is None:
                return Claimed(login, refusal=NO_TOKENS)
            verified = await self._tokens.verify(attempt.proof.secret, login)
            if isinstance(verified, Invalid):
                outcome = Outcome.TEMPORARY if verified.temporary else Outcome.CREDENTIALS
                return Claimed(login, refusal=Refused(outcome, verified.reason.value))
            login = verified.account
            factor = Factor.TOKEN_AFTER_MFA if verified.mfa else Factor.TOKEN
            shown = Shown(frozenset({factor}), verified.credential_id)
        elif isinstance(attempt.proof, Certificate):
            login = account_of(attempt.origin.certificate, self._wall_clock()) or ""
            if not login:
                return Claimed("", refusal=UNBOUND)
            shown = Shown(frozenset({Factor.CERTIFICATE}), fingerprint(attempt.origin.certificate))
        try:
            name = normalise(login, self._default_domain)
        except InvalidName:
            return Claimed(login, refusal=INVALID_NAME)
        source, credential = await self._look_up(name)
        if source is None or credential is None:
            return Claimed(name, refusal=UNKNOWN_USER)
        if attempt.authzid and not self.is_same(attempt.authzid, name):
            return Claimed(name, source, credential, refusal=OTHER_IDENTITY)
        return Claimed(name, source, credential, shown)

    def is_ours(self, claimed: Claimed) -> bool:
        """Whether the account is one of those that may have app passwords; of an unknown one, whether all are."""
        return isinstance(claimed.source, AccountsSource) if claimed.source else self._accounts_only

    def is_same(self, identity: str, name: str) -> bool:
        """Whether an identity, as typed, is that of a canonical name."""
        return self.name_of(identity) == name

    def name_of(self, login: str) -> str:
        """The canonical name; what was typed where that is no possible name."""
        return canonical_or_typed(login, self._default_domain)

    async def _look_up(self, name: str) -> tuple[Source | None, Credential | None]:
        for source in self._sources:
            found = source.lookup(name)
            if found is not None and not isinstance(found, Credential):
                found = await found
            if found is None:
                continue
            if found.account != name:
                # A source that answers for somebody else would open another user's mail.
                raise RuntimeError(f"the source {source.name} answered for another account")
            return source, found
        return None, None
