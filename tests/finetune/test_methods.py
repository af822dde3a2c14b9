"""Methods as values: words with options, and clear complaints."""

from __future__ import annotations

import pytest

from w2s.cells import FieldError
from w2s.finetune.methods import Method, parse_method


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("naive", Method()),
        ("xent", Method()),
        ("confidence", Method(loss="confidence")),
        (
            "confidence(schedule=oai_code, threshold=weak_prior, alpha_max=0.5)",
            Method(loss="confidence", options={"schedule": "oai_code", "threshold": "weak_prior", "alpha_max": 0.5}),
        ),
        ("ensemble(3) + temper(0.5) + entropy", Method(loss="entropy", ensemble=3, temperature=0.5)),
        ("stop(legal)+naive", Method(stop="legal")),
        ("  confidence ( warmup = 0 ) ", Method(loss="confidence", options={"warmup": 0})),
    ],
)
def test_what_a_method_means(text, expected):
    assert parse_method(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("naiv", "did you mean 'naive'"),
        ("confidence(alpha=1)", "did you mean 'alpha_max'"),
        ("confidence(alpha_max)", "write options of confidence as name=value"),
        ("naive + confidence", "names a loss twice"),
        ("ensemble(0)", "M from 1 to 1000"),
        ("ensemble", "M from 1 to 1000"),
        ("temper(-1)", "a temperature above 0"),
        ("temper(nan)", "a temperature above 0"),
        ("temper(inf)", "a temperature above 0"),
        ("stop(leagl)", "did you mean 'legal'"),
        ("", "is not a word"),
        ("naive + ", "is not a word"),
        ("confidence(a=(1))", "is not a word"),
    ],
)
def test_complaints(text, complaint):
    with pytest.raises(FieldError, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        parse_method(text)
