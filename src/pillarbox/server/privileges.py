"""Gives up root, for good, and keeps secrets out of core dumps (P60).

Rules: a process that serves clients never runs as root unless the setting says so in words; what was given up is
checked to be gone; it is done before the first octet of a client is read. The parent may stay root: it reads new
certificates at a reload, and never reads anything a client sent.

Elsewhere: when a worker does it (`supervisor`). Sources: setresuid(2), prctl(2), capabilities(7), core(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import grp
import os
import pwd
import resource
import signal
from dataclasses import dataclass

from pillarbox.config.problem import ConfigError, Problem
from pillarbox.config.schema_server import Server

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)


class PrivilegeError(ConfigError):
    """The account to serve as cannot be used."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who workers are: a user, its group, and the other groups it is in."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def identity(server: Server) -> Identity | None:
    """Whom workers are to become, or None when they stay who this process is.

    Raises:
        PrivilegeError: the account is unknown, cannot be changed to, or root without being asked for.
    """
    root = os.geteuid() == 0
    if not server.user:
        if root:
            raise _wrong(
                "server.user",
                "the server was started as root, and no account is set for serving clients",
                'write the account that owns the mail, such as user = "vmail" (or "root", if it must be)',
            )
        if server.group:
            raise _wrong("server.group", "a group without a user has no effect", "set server.user too, or remove it")
        return None
    try:
        account = pwd.getpwnam(server.user)
    except KeyError:
        what = f'this machine has no account "{server.user}"'
        raise _wrong("server.user", what, f"create it: useradd --system {server.user}") from None
    gid = _gid(server.group) if server.group else account.pw_gid
    if root:
        return Identity(account.pw_uid, gid, tuple(os.getgrouplist(server.user, gid)))
    if (account.pw_uid, gid) != (os.geteuid(), os.getegid()):
        what = f'only root can change to the account "{server.user}"'
        raise _wrong("server.user", what, "start the server as root or as this account, or remove the setting")
    return None


def _gid(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        what = f'this machine has no group "{name}"'
        raise _wrong("server.group", what, f"create it: groupadd --system {name}") from None


def _wrong(key: str, what: str, instead: str) -> PrivilegeError:
    return PrivilegeError([Problem(key, what, instead)])


def become(wanted: Identity | None) -> None:
    """Turn this process into `wanted` for good, and give up every capability unless that is root.

    Raises:
        PrivilegeError: something could not be given up, or can be taken back.
    """
    os.umask(0o077)
    try:
        if wanted is not None:
            os.setgroups(list(wanted.groups))
            os.setresgid(wanted.gid, wanted.gid, wanted.gid)
            os.setresuid(wanted.uid, wanted.uid, wanted.uid)
        if os.geteuid() != 0:
            _drop_capabilities()
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        what = f"the privileges of root could not be given up: {error.strerror}"
        raise _wrong("server.user", what, "see that the service manager allows setuid and setgid") from None
    if wanted is not None and wanted.uid != 0:
        _check_gone(wanted)


def _check_gone(wanted: Identity) -> None:
    with contextlib.suppress(PermissionError):
        os.setuid(0)
        raise _wrong("server.user", "root could be taken back", "this kernel cannot be trusted: report it")
    ids = (os.getresuid(), os.getresgid())
    if ids != ((wanted.uid,) * 3, (wanted.gid,) * 3):
        raise _wrong("server.user", "not all user and group ids were changed", "report it")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _drop_capabilities() -> None:
    """Empty all sets: also those a service manager gave to an ordinary account for binding ports below 1024."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    if _libc.capset(ctypes.byref(header), ctypes.byref((_CapabilitySets * 2)())) != 0:
        _raise_errno()


def keep_secrets_in_memory() -> None:
    """Let no core dump or debugger of the same account see this process, which holds keys and passwords (P60).

    Call it again after `become`: the kernel resets it when ids change.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when process `parent` ends; False if it has ended already.

    Call it after `become`: the kernel forgets it when ids change.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3) != 0:
        _raise_errno()


def _raise_errno() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
