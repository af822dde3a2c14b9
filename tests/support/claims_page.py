"""Write docs/claims.md from the claims themselves: ``python tests/support/claims_page.py``."""

from __future__ import annotations

from pathlib import Path

from w2s.claims import SABOTAGES, Claim
from w2s.studies.registry import find_study, study_names

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "claims.md"
MARKER = "<!-- what follows is written by tests/support/claims_page.py -->\n"


def page() -> str:
    """Return the page: what stands above the marker as it is, and below it every claim of every study."""
    studies = [find_study(name) for name in study_names()]
    parts = [_study(study.name, study.claims) for study in studies if study.claims]
    return PAGE.read_text().partition(MARKER)[0] + MARKER + "\n" + "\n".join(parts)


def _study(name: str, claims: tuple[Claim, ...]) -> str:
    by_seeds = sum("seeds" in claim.thresholds for claim in claims)
    many = "1 claim" if len(claims) == 1 else f"{len(claims)} claims"
    lines = [f"## {name}", "", f"{many}, {by_seeds} with a least number of seeds.", ""]
    lines += ["| claim | sentence | place | thresholds | why these |", "|---|---|---|---|---|"]
    lines += [_row(claim) for claim in claims]
    lines += ["", "| notices | " + " | ".join(_heading(s) for s in SABOTAGES) + " |", "|---" * (1 + len(SABOTAGES)) + "|"]
    lines += [
        f"| `{claim.id}` | " + " | ".join("no" if s in claim.overlooks else "yes" for s in SABOTAGES) + " |" for claim in claims
    ]
    return "\n".join([*lines, "", *_reasons(claims), ""])


def _row(claim: Claim) -> str:
    numbers = ", ".join(f"{name} {value:g}" for name, value in claim.thresholds.items())
    fails = f" **Expected to fail**: {claim.reason}." if claim.reason else ""
    return "| " + " | ".join(map(_cell, (f"`{claim.id}`", claim.says + fails, claim.where, numbers, claim.basis))) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _heading(sabotage: str) -> str:
    return sabotage.replace("_", " ")


def _reasons(claims: tuple[Claim, ...]) -> list[str]:
    """Why sabotages may be overlooked: one line for each reason, with the claims and sabotages that have it."""
    found: dict[str, dict[str, list[str]]] = {}
    for claim in claims:
        for sabotage, reason in claim.overlooks.items():
            found.setdefault(reason, {}).setdefault(claim.id, []).append(_heading(sabotage))
    lines = []
    for reason, where in found.items():
        places = "; ".join(f"`{claim}` ({', '.join(names)})" for claim, names in where.items())
        lines.append(f"- {reason[0].upper()}{reason[1:]}: {places}.")
    return lines


if __name__ == "__main__":
    PAGE.write_text(page())
