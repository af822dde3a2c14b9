"""Which checkout made a run, and whether its code was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sweeper.folder.provenance import git_state


def test_only_changes_of_the_code_make_a_checkout_dirty(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"commit": None, "dirty": None}

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
        done = subprocess.run(["git", *who, "-C", str(tmp_path), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "w2s").mkdir()
    (tmp_path / "w2s" / "code.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "grid.yaml").write_text("study: probe.table\n")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "w2s" / "more.py").write_text("y = 2\n")
    assert git_state(tmp_path)["dirty"] is True
