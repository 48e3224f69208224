"""The sections about accounts and their mail: auth, maildir and domains.

Rules: as in `schema_server`. The lower bounds of password hashing are the OWASP Password Storage Cheat Sheet's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from pillarbox.config.fields import DomainNameOrEmpty, OptionalPath, Section, or_empty, setting
from pillarbox.config.problem import Wrong
from pillarbox.config.schema_credentials import MAX_DAYS, AppPasswords, Mfa, Pop3
from pillarbox.config.schema_policy import PasswordPolicy
from pillarbox.config.schema_tokens import Tokens
from pillarbox.config.template import MAILDIR_PLACEHOLDERS, PASSWD_FILE_PLACEHOLDERS, check

OWASP_MINIMUM = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""Pairs of memory (KiB) and passes that OWASP holds to be equally strong; less than all of them is too weak."""


def _maildir_template(text: str) -> str:
    return check(text, MAILDIR_PLACEHOLDERS, ("user", "account"))


def _passwd_file_template(text: str) -> str:
    return check(text, PASSWD_FILE_PLACEHOLDERS, ("home", "user", "account"))


def _scheme(text: str) -> str:
    scheme = text.upper().strip("{}")
    if not scheme or not scheme.isascii() or not all(c.isalnum() or c in "-_." for c in scheme):
        raise Wrong(f'"{text}" is not the name of a password scheme', 'write one such as "SHA512-CRYPT" or "CRYPT"')
    return scheme


def _each_once(sources: tuple[str, ...]) -> tuple[str, ...]:
    if not sources:
        raise Wrong("no source of accounts is named", 'write sources = ["accounts"]')
    if len(set(sources)) < len(sources):
        raise Wrong("a source is named twice", "name each once, in the order they are asked")
    return sources


def _mechanisms(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise Wrong("a mechanism is named twice", "name each once, in the order clients are shown")
    return names


def _dovecot_format(text: str) -> str:
    # Dovecot's pop3_uidl_format: each variable is %, perhaps a modifier such as 08X, and one letter.
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Wrong("the format must be printable ASCII without spaces (RFC 1939 §7)", 'write "%08Xu%08Xv"')
    return text


class PasswdFile(Section):
    """A Dovecot-style passwd-file: `user:password:uid:gid:gecos:home:shell:extra` lines."""

    path: OptionalPath = setting(
        None,
        "The passwd-file. It is read anew when it changes.",
        kind="the path of a file in quotes",
        example="/etc/dovecot/users",
    )
    default_scheme: Annotated[str, AfterValidator(_scheme)] = setting(
        "CRYPT",
        'The scheme of passwords without a {SCHEME} prefix, by Dovecot\'s names, such as "SHA512-CRYPT".',
        kind="the name of a password scheme in quotes",
    )
    maildir: Annotated[str, AfterValidator(_passwd_file_template)] = setting(
        "{home}/Maildir",
        "Where the mail of these accounts is. {home} is the file's home field; {user}, {domain} and {account} too.",
        kind="a path in quotes, with placeholders",
    )


def _strong_enough(time: int, info: ValidationInfo) -> int:
    """Check the passes of argon2id together with its memory, which stands before them."""
    memory = info.data.get("argon2_memory_kib")
    if memory is None or any(memory >= least and time >= passes for least, passes in OWASP_MINIMUM):
        return time
    needed = min(least for least, passes in OWASP_MINIMUM if passes <= time)
    raise Wrong(
        f"argon2id with {memory} KiB of memory and {time} passes is weaker than the OWASP minimum: "
        "the passwords of a stolen database could be guessed",
        f"write argon2_memory_kib = {needed}, or leave both settings out",
    )


class Auth(Section):
    """Who may log in, and how passwords are checked."""

    sources: Annotated[
        tuple[Literal["accounts", "passwd-file"], ...], Field(strict=False), AfterValidator(_each_once)
    ] = setting(
        ("accounts",),
        'Where accounts are looked up, in this order: "accounts" is Pillarbox\'s own database, '
        '"passwd-file" the file of `auth.passwd_file`.',
        kind='a list of "accounts" and "passwd-file"',
    )
    mechanisms: Annotated[
        tuple[
            Literal[
                "PLAIN",
                "LOGIN",
                "SCRAM-SHA-256",
                "SCRAM-SHA-256-PLUS",
                "EXTERNAL",
                "OAUTHBEARER",
                "XOAUTH2",
                "CRAM-MD5",
                "APOP",
            ],
            ...,
        ],
        Field(strict=False),
        AfterValidator(_mechanisms),
    ] = setting(
        ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"),
        "The SASL mechanisms that clients are offered, in this order, each where the connection allows it: -PLUS under "
        "TLS, EXTERNAL with a client certificate, OAUTHBEARER and XOAUTH2 under TLS. SCRAM, CRAM-MD5 and APOP work "
        "with app passwords only; CRAM-MD5 and APOP are weak, and only for clients that know nothing better.",
        kind="a list of names of mechanisms",
    )
    accounts: OptionalPath = setting(
        None,
        'The database of accounts. "" means accounts.sqlite in `server.state_directory`.',
        kind="the path of a file in quotes",
        example="/var/lib/pillarbox/accounts.sqlite",
    )
    default_domain: DomainNameOrEmpty = setting(
        "",
        'The domain added to a login without "@". "" adds none.',
        kind="a domain name in quotes",
        example="example.org",
    )
    failure_delay: float = setting(
        1.0, "Seconds after which a refused login is answered, at the earliest.", ge=0, le=30
    )
    failure_step: float = setting(
        0.25,
        "Seconds: answers to refused logins come at whole multiples of this, so that their timing tells nothing.",
        ge=0.001,
        le=10,
    )
    hashing_threads: int = setting(
        0, "Threads that check passwords, for each worker; 0 means one for each processor core.", ge=0, le=256
    )
    hashing_wait: float = setting(
        3.0,
        'Seconds a login may wait for a free thread before it is told to try later ("[SYS/TEMP]").',
        ge=0.1,
        le=60,
    )
    hashing_reserved: int = setting(
        1,
        "How many of those threads only logins from familiar places use, so that no attack from elsewhere delays "
        "owners; one is left for all others in any case.",
        ge=0,
        le=256,
    )
    hashing_per_source: int = setting(
        4,
        "Passwords that one unfamiliar address (IPv6: one /64 network) has checked at the same time; more of them wait "
        "for their turn.",
        ge=1,
        le=256,
    )
    cache_seconds: float = setting(
        600.0,
        "Seconds for which a successful password check is remembered, keyed by a secret of the process; 0 is off.",
        ge=0,
        le=86_400,
    )
    argon2_memory_kib: int = setting(
        19_456, "Memory of one password check with argon2id, in KiB.", ge=7_168, le=4_194_304
    )
    argon2_time: Annotated[int, AfterValidator(_strong_enough), Field(validate_default=True)] = setting(
        2, "Passes of argon2id over its memory.", ge=1, le=100
    )
    argon2_parallelism: int = setting(1, "Lanes of argon2id, each a thread.", ge=1, le=64)
    login_delay: int = setting(
        0,
        "Seconds that must pass between two logins of one account, announced as LOGIN-DELAY (RFC 2449 §6.5); 0 is off.",
        ge=0,
        le=86_400,
    )
    passwd_file: PasswdFile = setting(PasswdFile, "A Dovecot-style passwd-file.")
    app_passwords: AppPasswords = setting(AppPasswords, "Passwords that the server makes, one for each mail program.")
    mfa: Mfa = setting(Mfa, "Second factors.")
    pop3: Pop3 = setting(Pop3, "Who may use POP3 at all.")
    policy: PasswordPolicy = setting(PasswordPolicy, "What a new password must be like.")
    tokens: Tokens = setting(Tokens, "Bearer tokens of an identity provider.")


class Maildir(Section):
    """Where the mail is, and how messages are named to clients."""

    path: Annotated[str, AfterValidator(_maildir_template)] = setting(
        "/var/mail/{domain}/{user}/Maildir",
        "Where an account's Maildir is: {user} is the part before the @, {domain} the part after it, {account} both.",
        kind="an absolute path in quotes, with placeholders",
    )
    unique_ids: Literal["file-name", "dovecot", "courier"] = setting(
        "file-name",
        'Where UIDL\'s unique-ids come from. "file-name" suits a new server; the others keep the ids of a server that '
        "was here before, so that clients do not download everything again.",
    )
    dovecot_format: Annotated[str, AfterValidator(_dovecot_format)] = setting(
        "%08Xu%08Xv",
        'Dovecot\'s pop3_uidl_format, for unique_ids = "dovecot".',
        kind="text in quotes",
    )
    mark_seen: bool = setting(
        False, "Whether a message that was retrieved is marked as seen (:2,S) when the session ends."
    )
    must_exist: bool = setting(
        False,
        'Whether an account without a Maildir is answered "[SYS/TEMP]" instead of with an empty maildrop. '
        "Set it where Maildirs are made beforehand: a disk that is not mounted then looks like no mail to nobody.",
    )
    scan_threads: int = setting(4, "Threads that read directories and cold files, for each worker.", ge=1, le=256)


class Domain(Section):
    """What is different for the accounts of one domain."""

    maildir: Annotated[str, or_empty(_maildir_template)] = setting(
        "",
        'Where the Maildirs of this domain are; placeholders as in `maildir.path`. "" means `maildir.path`.',
        kind="an absolute path in quotes, with placeholders",
        example="/srv/mail/{user}",
    )
    mfa: Literal["inherit", "required", "optional", "off"] = setting(
        "inherit", 'Whether a login needs a second factor; "inherit" means `auth.mfa.policy`.'
    )
    pop3: Literal["inherit", "on", "off"] = setting(
        "inherit", 'Whether POP3 is on for accounts that do not say otherwise; "inherit" means `auth.pop3.default`.'
    )
    pop3_idle_days: int = setting(
        -1,
        "Days without a login after which `pillarbox account idle --apply` switches POP3 off; 0 means never, "
        "-1 means `auth.pop3.idle_days`.",
        ge=-1,
        le=MAX_DAYS,
    )
    primary_over_pop3: Literal["inherit", "yes", "no"] = setting(
        "inherit", 'Whether accounts\' own passwords work over POP3; "inherit" means `auth.pop3.primary`.'
    )
