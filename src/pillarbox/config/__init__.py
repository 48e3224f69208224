"""The configuration: one schema, read from one file, explained in plain words.

Rules: loading is pure but for reading the one file; all problems come at once; settings are frozen values. This package
imports nothing of Pillarbox. The command `pillarbox config` is in `pillarbox.cli.config`.

    read       text → settings of any schema, or `ConfigError` with all problems
    schema*    what can be set for the server: type, default, check and doc of every setting
    load       the server's file
    checks     across its sections, against the disk, against today
    describe   explain · reference page · the settings in force as TOML

Only what serves every schema is imported here: the fetcher has one of its own, and begins without the server's.
"""

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.read import load_as

__all__ = ["ConfigError", "Problem", "load_as"]
