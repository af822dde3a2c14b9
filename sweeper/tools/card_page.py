"""The report of tests and measurements on a GPU as a page in Markdown, from the JSON that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["card_page"]

_HEAD = "| what | side | time | rate | against ours |\n|---|---|---|---|---|"
_STEPS = "| step | state | seconds | limit | remark |\n|---|---|---|---|---|"


def card_page(content: Mapping[str, Any]) -> str:
    """Write a table of steps and a table of results; a ratio above 1 says that the other side takes longer than ours."""
    title = "# A rehearsal on the CPU: its times say nothing" if content["stand_in"] else "# The card"
    done = sum(step["state"] == "done" for step in content["steps"])
    lines = [title, "", f"{done} of {len(content['steps'])} steps done, in {content['seconds']:.0f} s.", "", _STEPS]
    lines += [_step(step) for step in content["steps"]]
    lines += ["", "A ratio above 1 says that the other side takes longer than ours.", "", _HEAD]
    lines += [_result(line) for step in content["steps"] for line in step["lines"] if line.get("what") != "tests"]
    return "\n".join(lines) + "\n"


def _step(step: Mapping[str, Any]) -> str:
    counts = [f"{line[word]} {word}" for line in step["lines"] for word in _counted(line)]
    remark = "; ".join([*counts, *step["said"].strip().splitlines()[:1]])
    return _row(step["name"], step["state"], f"{step['seconds']:.1f}", f"{step['limit']:.0f}", remark)


def _counted(line: Mapping[str, Any]) -> list[str]:
    words = ("passed", "failed", "error", "skipped")
    return [word for word in words if line.get("what") == "tests" and word in line]


def _result(line: Mapping[str, Any]) -> str:
    if "ms" in line:
        ratio = f"{line['ratio']:.2f} x" if "ratio" in line else ""
        return _row(line["what"], line["side"], f"{line['ms']:.3f} ms", f"{line['rate']:.3g} {line['unit']}", ratio)
    if "difference" in line:
        verdict = "agrees" if line["good"] else "DIFFERS"
        return _row(line["what"], verdict, f"{line['difference']:.2g}", f"at most {line['tolerance']:g}", "")
    others = {key: value for key, value in line.items() if key not in ("what", "side", "missing", "failed")}
    said = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in others.items())
    state = f"missing: {line['missing']}" if "missing" in line else f"FAILED: {line['failed']}" if "failed" in line else ""
    return _row(line["what"], line.get("side", ""), "", said, state)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
