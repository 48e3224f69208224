"""Giving up root, in forked children that are thrown away. See also `test_supervisor`, where workers do it."""

from __future__ import annotations

import json
import os
import pwd
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pillarbox.config.schema_server import Server
from pillarbox.server.privileges import (
    Identity,
    PrivilegeError,
    become,
    die_with,
    identity,
    keep_secrets_in_memory,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


def in_child(act: Callable[[], Any]) -> Any:
    """What `act` returns in a child process (as JSON), or the text of what it raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = act()
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as answer:
        return json.loads(answer.read())


def status(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split(":\t")[1].strip() for line in lines if line.startswith(f"{name}:"))


def refused(server: Server) -> tuple[str, str]:
    with pytest.raises(PrivilegeError) as caught:
        identity(server)
    [problem] = caught.value.problems
    assert problem.instead
    return problem.key, problem.what


@as_root
def test_root_must_say_whom_to_become() -> None:
    assert refused(Server())[0] == "server.user"
    assert identity(Server(user="root")) == Identity(0, 0, tuple(os.getgrouplist("root", 0)))


@as_root
def test_an_account_with_its_groups() -> None:
    nobody = pwd.getpwnam("nobody")
    assert identity(Server(user="nobody")) == Identity(nobody.pw_uid, nobody.pw_gid, (nobody.pw_gid,))
    changed = identity(Server(user="nobody", group="daemon"))
    assert changed is not None
    assert changed.gid == 1
    assert 1 in changed.groups


@as_root
def test_unknown_accounts_and_groups() -> None:
    assert refused(Server(user="no-such-user")) == ("server.user", 'this machine has no account "no-such-user"')
    assert refused(Server(user="nobody", group="no-such-group"))[0] == "server.group"


@as_root
def test_others_stay_who_they_are() -> None:
    def act() -> list[str]:
        become(identity(Server(user="nobody")))
        told = [str(identity(Server())), str(identity(Server(user="nobody")))]
        for server in (Server(user="daemon"), Server(group="daemon")):
            try:
                identity(server)
            except PrivilegeError as error:
                told.append(error.problems[0].key)
        return told

    assert in_child(act) == ["None", "None", "server.user", "server.group"]


@as_root
def test_p60_nothing_of_root_is_left() -> None:
    def act() -> dict[str, Any]:
        become(identity(Server(user="nobody")))
        keep_secrets_in_memory()
        try:
            Path("/proc/self/environ").read_bytes()
            hidden = False
        except PermissionError:
            hidden = True
        return {
            "ids": [*os.getresuid(), *os.getresgid()],
            "groups": os.getgroups(),
            "capabilities": [int(status(name), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
            "no new privileges": status("NoNewPrivs"),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "hidden": hidden,
        }

    nobody = pwd.getpwnam("nobody")
    assert in_child(act) == {
        "ids": [nobody.pw_uid] * 3 + [nobody.pw_gid] * 3,
        "groups": [nobody.pw_gid],
        "capabilities": [0, 0, 0, 0],
        "no new privileges": "1",
        "core": [0, 0],
        "hidden": True,
    }


@as_root
def test_whoever_cannot_give_up_root_does_not_go_on() -> None:
    def act() -> None:
        become(identity(Server(user="nobody")))
        become(Identity(1, 1, (1,)))

    assert "the privileges of root could not be given up" in in_child(act)


def test_an_account_without_privileges_keeps_its_ids() -> None:
    def act() -> list[Any]:
        before = os.getresuid()
        become(None)
        return [before == os.getresuid(), status("NoNewPrivs"), os.umask(0)]

    assert in_child(act) == [True, "1", 0o077]


def test_a_parent_that_is_gone_is_noticed() -> None:
    assert in_child(lambda: [die_with(os.getppid()), die_with(1 << 22)]) == [True, False]
