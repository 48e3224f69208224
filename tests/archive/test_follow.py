"""The index follows the log; what cannot be read keeps nothing else out. Damage at its end is in test_archive."""

from contextlib import closing
from pathlib import Path

from tests.archive.mail import filled, message

from pillarbox.archive import follow, index
from pillarbox.archive.layout import Layout


def test_a_missing_message_and_a_damaged_line_keep_no_other_out(tmp_path: Path) -> None:
    layout = Layout(filled(tmp_path / "a", *(message(number) for number in range(1, 6))))
    lines = layout.log.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:30] + b"rubbish" + lines[1][37:]
    layout.log.write_bytes(b"".join(lines))
    next(path for path in sorted(layout.objects.rglob("*.eml"))).unlink()
    with closing(index.connect(tmp_path / "new", write=True)) as writer:
        follow.catch_up(layout, writer)
        assert writer.execute("SELECT count(*) FROM messages").fetchone() == (4,)
        assert index.position(writer).octets == layout.log.stat().st_size
        follow.catch_up(layout, writer)  # nothing is left to do
        assert writer.execute("SELECT count(*) FROM origins").fetchone() == (4,)
