"""Settings by HTTP: redirects that are followed, and those that are not."""

import socket
from collections.abc import Callable, Mapping

import pytest

from pillarbox.client.discover_fetch import FetchFailed, https_get
from pillarbox.client.oauth_http import HttpAnswer, NoAnswer, NobodyThere


def web(answers: Mapping[str, HttpAnswer | Exception]) -> Callable[[str, dict[str, str] | None], HttpAnswer]:
    def exchange(url: str, form: dict[str, str] | None) -> HttpAnswer:
        assert form is None
        answer = answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return exchange


def moved(target: str) -> HttpAnswer:
    return HttpAnswer(301, b"", target)


GOOD = HttpAnswer(200, b"<xml/>")


def test_redirects_are_followed_with_https_only() -> None:
    answers = web({"https://a/x": moved("/y"), "https://a/y": moved("//b/z"), "https://b/z": GOOD})
    assert https_get("https://a/x", exchange=answers) == b"<xml/>"


@pytest.mark.parametrize(
    "target", ["http://a/", "http://127.0.0.1/", "file:///etc/passwd", "ftp://a/", "https://[", ""]
)
def test_other_redirects_are_not(target: str) -> None:
    with pytest.raises(FetchFailed):
        https_get("https://a/x", exchange=web({"https://a/x": moved(target)}))


def test_redirects_end() -> None:
    with pytest.raises(FetchFailed, match="3 redirects"):
        https_get("https://a/x", exchange=web({"https://a/x": moved("/x")}))


@pytest.mark.parametrize("status", [204, 400, 403, 404, 410, 500])
def test_nothing_is_there(status: int) -> None:
    assert https_get("https://a/x", exchange=web({"https://a/x": HttpAnswer(status, b"x")})) is None
    assert https_get("https://a/x", exchange=web({"https://a/x": NobodyThere("no connection")})) is None


def test_somebody_is_there_without_a_usable_answer() -> None:
    with pytest.raises(FetchFailed, match="a: its certificate"):
        https_get("https://a/x", exchange=web({"https://a/x": NoAnswer("its certificate is not trusted")}))


def test_nobody_listens_on_a_real_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert https_get(f"http://127.0.0.1:{port}/") is None
    with pytest.raises(FetchFailed, match="https"):
        https_get("http://example.org/")
