"""The configuration: one schema, read from one file, explained in plain words.

Rules: loading is pure but for reading the one file; all problems come at once; settings are frozen values. This package
imports nothing of Pillarbox. The command `pillarbox config` is in `pillarbox.cli.config`.

    schema*    what can be set: type, default, check and doc of every setting
    load       text → settings, or `ConfigError` with all problems
    checks     across sections, against the disk, against today
    describe   explain · reference page · the settings in force as TOML
"""

from pillarbox.config.checks import check_files, warnings
from pillarbox.config.load import load, load_as, parse
from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema import Settings
from pillarbox.config.schema_guard import Guard
from pillarbox.config.schema_listener import CleartextLogin, Listener, Sni, Tls
from pillarbox.config.schema_mail import Auth, Domain, Maildir, PasswdFile
from pillarbox.config.schema_server import Limits, Log, Server, Timeouts

__all__ = [
    "Auth",
    "CleartextLogin",
    "ConfigError",
    "Domain",
    "Guard",
    "Limits",
    "Listener",
    "Log",
    "Maildir",
    "PasswdFile",
    "Problem",
    "Server",
    "Settings",
    "Sni",
    "Timeouts",
    "Tls",
    "check_files",
    "load",
    "load_as",
    "parse",
    "warnings",
]
