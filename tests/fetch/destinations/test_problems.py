"""Texts for what went wrong: each says what to do, and nothing a peer said gets out unclean."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from pillarbox.fetch.destinations.problems import connection_problem, file_problem, said


@pytest.mark.parametrize(
    ("number", "text", "temporary"),
    [
        (errno.ENOSPC, "/m: the disk is full: free some space", True),
        (errno.EDQUOT, "/m: the disk quota is used up", True),
        (errno.EROFS, "/m: the file system is read-only: mount it writable", False),
        (errno.EACCES, f"/m: permission denied (as user {os.geteuid()}): let this user write", False),
        (errno.ENOENT, "/m: it does not exist: create the directory", False),
        (errno.EIO, "/m: the disk cannot be read or written: look into the system's log", True),
        (errno.ESTALE, "/m: stale file handle: nothing was lost; it will be tried again", True),
    ],
)
def test_a_file_problem_says_what_to_do(number: int, text: str, temporary: bool) -> None:
    problem = file_problem(OSError(number, os.strerror(number)), "/m")
    assert problem.text.startswith(text)
    assert str(problem) == problem.text
    assert problem.temporary == temporary


def test_an_error_without_a_number_has_a_text() -> None:
    assert file_problem(OSError("odd"), "/m").text == "/m: it cannot be used: nothing was lost; it will be tried again"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "h: nothing listens there: start the server"),
        (socket.gaierror(-2, "x"), "h: the name has no address"),
        (TimeoutError(), "h: no answer in time"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "h: the connection broke"),
        (EOFError(), "h: the connection broke"),
    ],
)
def test_a_connection_problem_says_what_to_do(error: Exception, text: str) -> None:
    problem = connection_problem(error, "h")
    assert problem.text.startswith(text)
    assert problem.temporary


def test_a_failed_handshake_names_the_reason() -> None:
    error = ssl.SSLError(1, "x")
    error.reason = "WRONG_VERSION_NUMBER"
    assert connection_problem(error, "h").text.startswith("h: TLS failed: wrong version number: look whether")


def test_a_refused_certificate_names_the_reason() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = "certificate has\x1b expired"
    assert "refused: certificate has\\x1b expired" in connection_problem(error, "h").text


def test_what_a_peer_said_is_one_clean_short_line() -> None:
    assert said(b"5.1.1 no\r\n  such\x1b[31m user \xff") == "5.1.1 no such\\x1b[31m user \ufffd"
    assert len(said("x" * 5000)) == 200
