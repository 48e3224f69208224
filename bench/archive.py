"""`python -m bench.archive`: how fast the archive takes mail in, and how fast it finds it again.

The corpus is made from a seed: words of a Zipf distribution over a vocabulary of 50,000 (as language has them: a few in
nearly every message, most in hardly any), lengths of a log-normal one, three messages in ten with an HTML form, two in
ten with an attachment, 400 correspondents, ten years of dates. Each kind of query is asked with several words, common
and rare; all are asked round after round, so that a slow moment of the machine meets every kind. The figures are of the
whole call, from the text of the query to the list of results, and nothing is kept between two rounds but what
SQLite and the operating system keep.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from statistics import median

from bench.corpus import SEED
from pillarbox.archive import Archive, Incoming
from pillarbox.archive.search import Order, count, search
from pillarbox.archive.verify import verify

__all__ = ["Corpus", "main", "queries"]

_WORDS = 50_000
_FIRST, _LAST = 1_420_070_400, 1_735_689_600  # 2015 to 2024
_BATCH = 500
_GOAL = 0.100  # seconds a search may take with 100,000 messages
_SYLLABLES = [
    c + v
    for c in ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "st", "br", "tr"]
    for v in ["a", "e", "i", "o", "u", "ei", "ou"]
]


class Corpus:
    """Messages from a seed: the same octets every time."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self.vocabulary = self._vocabulary()
        weights = itertools.accumulate(1 / (rank + 2.7) for rank in range(_WORDS))  # Zipf and Mandelbrot
        self._weights = list(weights)
        self.people = [f"{self._name()} {self._name()}" for _ in range(400)]

    def message(self, number: int, total: int) -> bytes:
        """Message `number` of `total`."""
        pick = self._random
        sender, reader = pick.choice(self.people), pick.choice(self.people)
        date = _FIRST + (_LAST - _FIRST) * number // total
        words = self._text(max(5, int(pick.lognormvariate(5.0, 0.9))))
        lines = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
        kind = number % 10
        header = (
            f"Received: from mx.example.org by mail.example.com with ESMTPS id {number:010x}; {formatdate(date)}\r\n"
            f"From: {sender} <{sender.replace(' ', '.').lower()}@example.org>\r\n"
            f"To: {reader} <{reader.replace(' ', '.').lower()}@example.com>\r\n"
            f"Subject: {' '.join(self._text(pick.randint(2, 8)))}\r\nDate: {formatdate(date)}\r\n"
            f"Message-ID: <{number}.{pick.randrange(1 << 40):x}@example.org>\r\nMIME-Version: 1.0\r\n"
        )
        text = "\r\n".join(lines)
        if kind < 5:
            return f"{header}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
        if kind < 8:
            html = "".join(f"<p style='margin:0'>{line}</p>\r\n" for line in lines)
            return self._multipart(header, "alternative", [("text/plain", text), ("text/html", html)])
        name = f"{words[0]}-{number}.{pick.choice(['pdf', 'docx', 'png', 'xlsx'])}"
        octets = "\r\n".join(pick.randbytes(38).hex() for _ in range(pick.randint(20, 200)))
        return self._multipart(
            header, "mixed", [("text/plain", text), (f'application/octet-stream; name="{name}"', octets)]
        )

    def _multipart(self, header: str, kind: str, parts: Sequence[tuple[str, str]]) -> bytes:
        body = "".join(f"--=_b\r\nContent-Type: {what}\r\n\r\n{text}\r\n" for what, text in parts)
        return f'{header}Content-Type: multipart/{kind}; boundary="=_b"\r\n\r\n{body}--=_b--\r\n'.encode()

    def _text(self, words: int) -> list[str]:
        return self._random.choices(self.vocabulary, cum_weights=self._weights, k=words)

    def _vocabulary(self) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < _WORDS:
            # Common words are short ones.
            longest = 1 + (len(found) > 60) + (len(found) > 4000) + (len(found) > 20_000)
            found["".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, longest + 1)))] = None
        return list(found)

    def _name(self) -> str:
        return self._random.choice(self.vocabulary[60:4000]).title()


def queries(corpus: Corpus) -> dict[str, list[str]]:
    """The kinds of queries, and some of each."""
    word = corpus.vocabulary
    common, middling, rare = word[:5], word[300:305], word[40_000:40_005]
    names = [f"from:{name.split()[0]}" for name in corpus.people[:5]]
    return {
        "a word in nearly all": list(common),
        "a middling word": list(middling),
        "a rare word": list(rare),
        "two common words": [f"{one} {two}" for one, two in itertools.pairwise(common)],
        "common and rare": [f"{one} {two}" for one, two in zip(common, rare, strict=True)],
        "phrase of common words": [f'"{one} {two}"' for one, two in itertools.pairwise(common)],
        "three letters *": [f"{name[:3]}*" for name in word[70:75]],
        "two letters *": [f"{name[:2]}*" for name in word[:5]],
        "from: and dates": [f"{name} after:2019-03 before:2021" for name in names],
        "from: and a word": [f"{one} {two}" for one, two in zip(names, middling, strict=True)],
        "common, not common": [f"{one} -{two}" for one, two in itertools.pairwise(common)],
        "OR of three": [f"{one} OR {two} OR {three}" for one, two, three in zip(common, middling, rare, strict=True)],
        "has:attachment, common": [f"has:attachment {one}" for one in common],
        "filename:pdf, common": [f"filename:pdf {one}" for one in common],
        "account: of few, common": [f"account:rare {one}" for one in common],
        "account: of most, common": [f"account:work {one}" for one in common],
        "larger:, common": [f"larger:12k {one}" for one in common],
        "nothing has it": ["qqqxyzzy", "from:qqqxyzzy a", "qqqxyzzy -ba", "subject:qqqxyzzy", "filename:qqqxyzzy"],
        "only what it is not": [f"-{one}" for one in common],
        "mixed OR": [f"(has:attachment OR {one}) larger:1k" for one in rare],
        "everything": ["", "after:2015", "before:2030", "larger:1", "-qqqxyzzy"],
    }


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    found: int
    newest: list[float]
    relevance: list[float]


def _fill(archive: Archive, corpus: Corpus, messages: int) -> dict[str, float]:
    waiting: list[Incoming] = []
    octets, spent = 0, 0.0
    for number in range(messages):
        data = corpus.message(number, messages)
        octets += len(data)
        account = "rare" if number % 1000 == 7 else "work" if number % 5 else "home"
        waiting.append(Incoming(data, account, f"u{number}", _FIRST + (_LAST - _FIRST) * number / messages))
        if len(waiting) == _BATCH or number == messages - 1:
            begun = time.perf_counter()
            archive.add_batch(waiting)
            spent += time.perf_counter() - begun
            waiting.clear()
            if number % 10_000 == 9_999:
                print(f"{number + 1:,} messages added", file=sys.stderr, flush=True)
    return {"messages": messages, "octets": octets, "seconds": spent}


def _measure(archive: Archive, kinds: dict[str, list[str]], rounds: int) -> Iterator[_Row]:
    times: dict[tuple[str, Order], list[float]] = {}
    for _ in range(rounds):
        for (name, texts), order in itertools.product(kinds.items(), (Order.NEWEST, Order.RELEVANCE)):
            for text in texts:
                begun = time.perf_counter()
                search(archive, text, limit=50, order=order)
                times.setdefault((name, order), []).append(time.perf_counter() - begun)
    for name, texts in kinds.items():
        found = max(count(archive, text) for text in texts)
        yield _Row(name, found, times[name, Order.NEWEST], times[name, Order.RELEVANCE])


def main(arguments: Sequence[str]) -> int:
    """Run the bench; 1 if a search took longer than it may."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="keep the archive here, and use it if it is there already")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    place = options.directory or Path(tempfile.mkdtemp(prefix="pillarbox-bench-"))
    try:
        corpus = Corpus()
        filled: dict[str, float] = {}
        with Archive.open(place / "archive", create=True) as archive:
            if count(archive, "") < options.messages:
                filled = _fill(archive, corpus, options.messages)
        with Archive.open(place / "archive") as archive:
            rows = list(_measure(archive, queries(corpus), options.rounds))
            begun = time.perf_counter()
            report = verify(archive)
            checked = time.perf_counter() - begun
            sizes = {path.name: path.stat().st_size for path in (archive.layout.index, archive.layout.log)}
    finally:
        if options.directory is None:
            shutil.rmtree(place, ignore_errors=True)
    print(_report(rows, filled, sizes, checked, len(report.findings), as_json=options.json))
    return int(any(max(row.newest) > _GOAL for row in rows))


def _report(
    rows: list[_Row], filled: dict[str, float], sizes: dict[str, int], checked: float, findings: int, *, as_json: bool
) -> str:
    if as_json:
        shown = {
            row.name: {"found": row.found, "newest": _figures(row.newest), "relevance": _figures(row.relevance)}
            for row in rows
        }
        return json.dumps({"searches_ms": shown, "added": filled, "files": sizes, "verify_seconds": checked}, indent=2)
    lines = [f"{'query':26} {'found':>8}  {'p50 ms':>8} {'max ms':>8}   {'relevance p50':>13} {'max':>8}"]
    for row in rows:
        newest, weighed = _figures(row.newest), _figures(row.relevance)
        lines.append(
            f"{row.name:26} {row.found:>8,}  {newest['p50']:>8.2f} {newest['max']:>8.2f}   "
            f"{weighed['p50']:>13.2f} {weighed['max']:>8.2f}"
        )
    if filled:
        rate = filled["messages"] / filled["seconds"]
        lines.append(f"added {filled['messages']:,} messages, {filled['octets'] / 1e6:,.0f} MB: {rate:,.0f} a second")
    lines += [f"{name}: {octets / 1e6:,.1f} MB" for name, octets in sizes.items()]
    lines.append(f"verify: {checked:.1f} s, {findings} findings")
    lines.append(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    return "\n".join(lines)


def _figures(seconds: list[float]) -> dict[str, float]:
    return {"p50": 1000 * median(seconds), "max": 1000 * max(seconds)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
