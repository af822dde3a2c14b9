"""Journals of a folder: read whole, however long, and line by line."""

from __future__ import annotations

from w2s.places.local import Local


def test_a_journal_is_read_to_its_end(tmp_path):
    journal, line = tmp_path / "events.jsonl", b"x" * 1000 + b"\n"
    with journal.open("wb") as stream:
        for _ in range(70):
            stream.write(line * 1000)
        stream.write(b"the last")
    lines = Local().lines(journal)
    assert (len(lines), lines[0], lines[-1]) == (70_001, "x" * 1000, "the last")


def test_lines_that_no_launch_writes_are_left_out(tmp_path):
    journal, most = tmp_path / "events.jsonl", 1 << 20
    pieces = [b"one", b"x" * most, b"y" * (most + 1), b"z" * (3 * most), b"", b"\xff", b"two"]
    journal.write_bytes(b"\n".join(pieces) + b"\n")
    assert Local().lines(journal) == ["one", "x" * most, "two"]
    with journal.open("ab") as stream:
        stream.truncate(1 << 40)
    assert Local().lines(journal) == ["one", "x" * most, "two"], "a file of holes is not read to its end"
