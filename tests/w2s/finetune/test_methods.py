"""Methods as values: words with options, and clear complaints."""

from __future__ import annotations

import re

import pytest

from w2s.errors import FieldError
from w2s.finetune.methods.text import Method, parse_method


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
        ("confidence(schedule=papr)", "schedule 'papr' is not one of: paper, oai_code, constant (did you mean 'paper'?)"),
        (
            "confidence(threshold=mediann)",
            "threshold 'mediann' is not one of: median, weak_prior, argmax (did you mean 'median'?)",
        ),
        ("confidence(alpha_max=abc)", "alpha_max 'abc' is not a number from 0 up to 1"),
        ("confidence(alpha_max=nan)", "alpha_max nan is not a number from 0 up to 1"),
        ("confidence(alpha_max=inf)", "alpha_max inf is not a number from 0 up to 1"),
        ("confidence(alpha_max=-1)", "alpha_max -1 is not a number from 0 up to 1"),
        ("entropy(alpha_max=2)", "alpha_max 2 is not a number from 0 up to 1"),
        ("confidence(warmup=inf)", "warmup inf is not a number from 0 up to 1"),
        ("adaptive(temperature=0)", "temperature 0 is not a number above 0"),
        ("reverse_xent(floor=0)", "floor 0 is not a number above 0 and up to 1"),
        ("window(radius=-1)", "radius -1 is not a number from 0 up to 0.5"),
        ("product(beta=inf)", "beta inf is not a number from 0 on"),
        ("confidence(alpha_max=0.5, alpha_max=0.6)", "gives confidence its option alpha_max twice"),
        ("", "is not a word"),
        ("naive + ", "is not a word"),
        ("confidence(a=(1))", "is not a word"),
    ],
)
def test_complaints(text, complaint):
    with pytest.raises(FieldError, match=re.escape(complaint)) as told:
        parse_method(text)
    assert told.value.field == "method"
