"""OAuth2 for logging in to mail servers: an access token whenever one is needed, refreshed by itself.

    application = Application(microsoft(), "the client id you registered")
    file = TokenFile("ada.tokens")
    file.save(device_login(application, print))             # once, with the user
    with Client("pops://ada@outlook.office365.com", auth=OAuth2(application, file)) as box:
        ...

Rules: a token is refreshed a minute before its end, once, whoever asks: threads wait for a lock, processes for the
token file's, and all read what the first one got. A refresh token is replaced in the file before its access token is
used. What the provider cannot answer now is temporary; only its plain "invalid_grant" makes a login dead, and then it
is left in peace. Nothing here prints a token.

Elsewhere: logging in (`oauth_device`, `oauth_browser`), the file (`oauth_tokens`), presets (`oauth_providers`), errors
(`oauth_errors`). Serves RFC 6749 §6, RFC 9700 §4.14.
"""

from __future__ import annotations

import os
import threading
import time

from pillarbox.client.oauth_browser import BrowserLogin, browser_login, pasted_login
from pillarbox.client.oauth_device import DevicePrompt, device_login
from pillarbox.client.oauth_endpoint import Clock, tokens_for
from pillarbox.client.oauth_errors import (
    ApplicationRefused,
    ConsentDenied,
    ConsentExpired,
    ConsentLost,
    OAuthError,
    ProviderUnavailable,
    TokenFileError,
)
from pillarbox.client.oauth_http import Exchange, exchange
from pillarbox.client.oauth_providers import GOOGLE, Application, Provider, microsoft
from pillarbox.client.oauth_tokens import TokenFile, Tokens
from pillarbox.events import Secret

__all__ = [
    "GOOGLE",
    "Application",
    "ApplicationRefused",
    "BrowserLogin",
    "ConsentDenied",
    "ConsentExpired",
    "ConsentLost",
    "DevicePrompt",
    "OAuth2",
    "OAuthError",
    "Provider",
    "ProviderUnavailable",
    "TokenFile",
    "TokenFileError",
    "Tokens",
    "browser_login",
    "device_login",
    "microsoft",
    "pasted_login",
]

MARGIN = 60.0
"""Seconds before its end in which an access token is refreshed: a login may take as long."""

DEAD_FOR = 3600.0
"""Seconds in which a provider that said "invalid_grant" is not asked again with the same refresh token."""


class OAuth2:
    """One user's login at one provider, for the `auth` of a client.

    It is for any number of threads, and for any number of processes with the same file. Its methods may wait for the
    disk and for the provider (a minute and a half at most, a name's look-up apart): call them in a thread where an
    event loop runs.

    Args:
        application: what is registered at the provider.
        file: a `TokenFile`, or its path. Somebody has to have logged in.
        remedy: what a user has to do when the login is dead, for the error's text: "run `…`".
        exchange: does the HTTP requests.
        clock: seconds since 1970.

    Attributes:
        application: as given.
    """

    def __init__(
        self,
        application: Application,
        file: TokenFile | str | os.PathLike[str],
        *,
        remedy: str = "log in again",
        exchange: Exchange = exchange,
        clock: Clock = time.time,
    ) -> None:
        self.application = application
        self._file = file if isinstance(file, TokenFile) else TokenFile(file)
        self._remedy = remedy
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None
        self._rejected: Secret | None = None
        self._unsaved: tuple[Secret, Tokens] | None = None  # the refresh token in the file, and what replaces it
        self._dead: tuple[Secret, ConsentLost, float] | None = None  # a refresh token, its error, and until when

    def access_token(self) -> Secret:
        """A token that is good for another minute, unless the provider cannot be asked for a new one just now.

        Raises:
            ConsentLost: nobody has logged in, or the login is dead; the text ends in what to do.
            ProviderUnavailable: the provider does not answer, and the old token has ended.
            ApplicationRefused: the provider does not accept this application.
            TokenFileError: the token file cannot be read, written or locked.
        """
        with self._lock:
            if self._tokens is None or not self._good(self._tokens, MARGIN) or self._unsaved is not None:
                with self._file.locked():
                    # Another process may have been faster: the file says so.
                    tokens = self._loaded()
                    self._tokens = tokens if self._good(tokens, MARGIN) else self._refreshed(tokens)
            return self._tokens.access_token

    def rejected(self) -> None:
        """The server did not take the last access token: the next one will be another."""
        with self._lock:
            if self._tokens is not None:
                self._rejected = self._tokens.access_token

    # ---- with the locks held --------------------------------------------------------------------------------------

    def _good(self, tokens: Tokens, margin: float) -> bool:
        return tokens.expires_at - margin > self._clock() and tokens.access_token != self._rejected

    def _loaded(self) -> Tokens:
        tokens = self._file.load()
        name = self.application.provider.name
        if tokens is None:
            raise ConsentLost(f"{name}: nobody has logged in yet ({self._file.path} is not there): {self._remedy}")
        if (tokens.client_id, tokens.token_url) != (self.application.client_id, self.application.provider.token_url):
            raise ConsentLost(f"{self._file.path} is another application's or another provider's: {self._remedy}")
        if self._unsaved is not None:
            replaced, newer = self._unsaved
            if tokens.refresh_token == replaced:
                with self._file.reserved() as room:
                    room.commit(newer)
                tokens = newer
            self._unsaved = None  # written now, or somebody has logged in since
        return tokens

    def _refreshed(self, tokens: Tokens) -> Tokens:
        self._leave_the_dead(tokens)
        fields = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token.reveal().decode("ascii")}
        with self._file.reserved() as room:
            try:
                newer = tokens_for(self.application, fields, self._exchange, self._clock, tokens)
            except ProviderUnavailable:
                if self._good(tokens, 0):
                    return tokens
                raise
            except ConsentLost as problem:
                lost = ConsentLost(f"{problem.message}: {self._remedy}", code=problem.code, detail=problem.detail)
                self._dead = (tokens.refresh_token, lost, self._clock() + DEAD_FOR)
                raise lost from None
            self._unsaved = (tokens.refresh_token, newer)
            room.commit(newer)
            self._unsaved = None
            return newer

    def _leave_the_dead(self, tokens: Tokens) -> None:
        if self._dead is None:
            return
        refresh_token, lost, until = self._dead
        if tokens.refresh_token == refresh_token and self._clock() < until:
            raise ConsentLost(lost.message, code=lost.code, detail=lost.detail)
        self._dead = None
