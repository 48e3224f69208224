"""Cyrus's POP3 server under its own master process, over its own store. What it needs of the machine: `elsewhere`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tests.peers.elsewhere import PASSWORD, USER, Elsewhere, crlf, missing

from pillarbox.testing.live import free_ports

MISSING = missing("cyrus")
"""Why tests with Cyrus are skipped, or None."""

_REALM = "localhost"
_NUMBER = 2002  # of the user cyrus, the first after the account's


class Cyrus(Elsewhere):
    """master and pop3d; messages are put where reconstruct takes them up."""

    package = "cyrus"
    users = ("cyrus",)

    def prepare(self) -> None:
        """Passwords in a sasldb, messages below `directory`."""
        self._store = self._made("store", _NUMBER, 0o700)
        self.etc(
            "imapd.conf",
            f"""configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: {self._store}
hashimapspool: no
unixhierarchysep: no
altnamespace: no
admins: cyrus
allowplaintext: yes
autocreate_quota: 0
servername: {_REALM}
defaultdomain: {_REALM}
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN
sasl_sasldb_path: /var/lib/cyrus/sasldb2
popminpoll: 0
poptimeout: 10
""",
        )
        (self._first,) = free_ports(1)
        self.etc("cyrus.conf", _services(self.port))
        self.etc("first.conf", _services(self._first))
        self._messages = self._made("messages", _NUMBER, 0o755)

    def fill(self, messages: Sequence[bytes]) -> None:
        """In wire form, as Cyrus stores them."""
        for number, message in enumerate(messages, 1):
            path = self._messages / f"{number}."
            path.write_bytes(crlf(message))
            path.chmod(0o600)
            os.chown(path, _NUMBER, _NUMBER)

    def script(self) -> str:
        """A first login makes the mailbox; then the messages are put into it, and the server starts again."""
        return f"""mkdir -p /run/cyrus/proc /run/cyrus/lock /run/cyrus/socket
su cyrus -s /bin/sh -c /usr/lib/cyrus/bin/makedirs >/dev/null 2>&1 || true
chown -R cyrus:cyrus /run/cyrus /var/lib/cyrus {self._store}
printf '%s' '{PASSWORD}' | /usr/sbin/saslpasswd2 -p -c -f /var/lib/cyrus/sasldb2 -u {_REALM} {USER}
chown cyrus:cyrus /var/lib/cyrus/sasldb2
/usr/lib/cyrus/bin/master -D -M /etc/first.conf &
{sys.executable} - <<'END'
import poplib, time
for wait in range(200):
    try:
        box = poplib.POP3("127.0.0.1", {self._first}, timeout=10)
        break
    except OSError:
        time.sleep(0.05)
box.user("{USER}")
box.pass_("{PASSWORD}")
box.quit()
END
kill $!
wait $! || true
folder=$(su cyrus -s /bin/sh -c '/usr/lib/cyrus/bin/mbpath user.{USER}')
mv {self._messages}/* $folder/
su cyrus -s /bin/sh -c '/usr/lib/cyrus/bin/reconstruct user.{USER}'
exec /usr/lib/cyrus/bin/master -D"""


def _services(port: int) -> str:
    command = "/usr/lib/cyrus/bin/pop3d"
    return f'''START {{
}}
SERVICES {{
  pop3 cmd="{command}" listen="127.0.0.1:{port}" prefork=1 maxchild=20
}}
EVENTS {{
}}
'''
