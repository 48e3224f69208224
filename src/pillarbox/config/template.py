"""Maildir path templates: `/var/mail/{domain}/{user}/Maildir`.

Rules: a template is checked when the configuration is read, so that filling it in later cannot surprise. Filling it in,
and refusing names that could lead elsewhere, is in `pillarbox.auth.names`; which template an account gets is
`Settings.maildir_template`.
"""

from __future__ import annotations

import re

from pillarbox.config.problem import Wrong

MAILDIR_PLACEHOLDERS = ("user", "domain", "account")
"""The part before the "@", the part after it, and both."""

PASSWD_FILE_PLACEHOLDERS = (*MAILDIR_PLACEHOLDERS, "home")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


def check(template: str, allowed: tuple[str, ...], needed: tuple[str, ...]) -> str:
    """Check a template and return it.

    Args:
        template: the text.
        allowed: the placeholders it may hold.
        needed: the placeholders of which it must hold at least one.

    Raises:
        Wrong: it is not absolute, or a placeholder is unknown or missing.
    """
    found = _PLACEHOLDER.findall(template)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise Wrong(f'"{template}": a brace does not belong to a placeholder', "write placeholders as {user}")
    choice = ", ".join(f"{{{name}}}" for name in allowed)
    for name in found:
        if name not in allowed:
            raise Wrong(f'"{template}": there is no placeholder {{{name}}}', f"use {choice}")
    if not (template.startswith("/") or ("home" in allowed and template.startswith("{home}"))):
        raise Wrong(f'"{template}" is not an absolute path', f'write "/…/{template.lstrip("~/")}"')
    if "\0" in template or ".." in template.split("/"):
        raise Wrong(f'"{template}" must not hold ".." or a NUL character', "write the path straight")
    if not set(needed) & set(found):
        choice = " or ".join(f"{{{name}}}" for name in needed)
        raise Wrong(f'"{template}" gives every account the same maildir', f"put {choice} into the path")
    return template
