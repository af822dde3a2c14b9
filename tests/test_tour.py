"""The notebook of the documentation runs from its first cell to its last, and shows what it showed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOUR = Path(__file__).resolve().parent.parent / "docs" / "tour.ipynb"
# Sockets in a folder: nothing listens on the network.
RUN = """
import sys, nbclient, nbformat
from jupyter_client.manager import KernelManager
source, target, folder = sys.argv[1:]
notebook = nbformat.read(source, 4)
manager = KernelManager(transport="ipc", connection_file=folder + "/kernel.json")
nbclient.NotebookClient(notebook, km=manager, timeout=240, resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, target)
"""


def texts(path: Path) -> list[str]:
    """What the code cells print or return, as text."""
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            text: Any = output.get("text") or output.get("data", {}).get("text/plain", "")
            found.append(text if isinstance(text, str) else "".join(text))
    return found


def test_the_notebook_runs(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    made = tmp_path / "made.ipynb"
    subprocess.run([sys.executable, "-c", RUN, TOUR, made, tmp_path], check=True, env=environment, timeout=280)
    shown, found = texts(TOUR), texts(made)
    assert len(found) == len(shown) == 7
    assert found[0] == "<Exit.DONE: 0>"
    assert found[-1].splitlines()[:6] == shown[-1].splitlines()[:6]
