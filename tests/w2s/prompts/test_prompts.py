"""Tasks of prompts: references pass, drafts fail where they differ, scores lie in [0, 1], against references written plainly."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s.prompts.registry import TASKS

tasks = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))


@tasks
def test_references_pass_and_drafts_fail_where_they_differ(task):
    prompts = task.prompts("train", 2000)
    assert all(task.score(prompt, task.answer(prompt)) == 1.0 for prompt in prompts)
    flawed = [prompt for prompt in prompts if task.draft(prompt) != task.answer(prompt)]
    assert 0.25 < len(flawed) / len(prompts) < 0.4
    assert max(task.score(prompt, task.draft(prompt)) for prompt in flawed) < 1.0


@tasks
def test_prompts_are_a_beginning_of_longer_draws_and_differ_between_splits(task):
    long, short = task.prompts("train", 50), task.prompts("train", 20)
    assert long[:20] == short
    assert task.prompts("test", 20) != short
    assert len(set(long)) > 45
    assert all(set(prompt) <= set(string.printable) and len(prompt) <= 12 for prompt in long)


@tasks
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_scores_are_shares_and_only_right_answers_have_one(task, data):
    prompt = data.draw(st.sampled_from(task.prompts("test", 40)))
    letters = [*sorted(set(prompt + task.answer(prompt))), "x"]
    answer = data.draw(st.text(letters, max_size=12))
    score = task.score(prompt, answer)
    assert 0.0 <= score <= 1.0
    assert (score == 1.0) == PLAIN[task.name](prompt, answer)


def sorted_plainly(prompt, answer):
    return answer == "".join(sorted(digit for digit in prompt[2:-1] if digit != prompt[0]))


def struck_plainly(prompt, answer):
    digits = sorted(prompt[:-1])
    return len(answer) == len(digits) and all(a == ("x" if d == "7" else d) for a, d in zip(answer, digits, strict=True))


def balanced_plainly(prompt, answer):
    text, before = prompt[:-1] + answer, ""
    while text != before:
        before = text
        for pair in ("()", "[]", "{}"):
            text = text.replace(pair, "")
    return text == ""


def summed_plainly(prompt, answer):
    digits = [int(digit) for digit in prompt[:-1]]
    return answer == "".join(str(sum(digits[: k + 1]) % 10) for k in range(len(digits)))


def spelled_plainly(prompt, answer):
    if answer[::2] != prompt[:-1] or len(answer) != 2 * len(prompt[:-1]) or not set(answer[1::2]) <= set("aeiou"):
        return False
    numbers = ["aeiou".index(vowel) for vowel in answer[1::2]]
    return all(("bdfgklmnpr".index(c) + p + v) % 5 < 3 for c, p, v in zip(prompt[:-1], [0, *numbers], numbers, strict=False))


PLAIN = {
    "sorted_digits": sorted_plainly,
    "struck_digits": struck_plainly,
    "brackets": balanced_plainly,
    "running_sums": summed_plainly,
    "syllables": spelled_plainly,
}


def test_hand_values():
    digits, brackets, sums, syllables = (TASKS[n] for n in ("sorted_digits", "brackets", "running_sums", "syllables"))
    assert (digits.answer("7:37192>"), digits.draft("7:37192>")) == ("1239", "12379")
    assert digits.score("7:37192>", "12379") == pytest.approx(0.5 * 8 / 9 + 0.5)
    assert digits.score("7:37192>", "") == digits.score("7:37192>", "777") == 0.0
    struck = TASKS["struck_digits"]
    assert (struck.answer("37192>"), struck.draft("37192>")) == ("123x9", "12379")
    assert (struck.score("37192>", "12379"), struck.score("37192>", "123x92")) == (pytest.approx(4 / 5), pytest.approx(5 / 6))
    assert (brackets.answer("([{}(>"), brackets.draft("{(>")) == (")])", ")")
    assert brackets.score("([{}(>", ")]") == pytest.approx(2 / 3)
    assert brackets.score("([>", "{}])") == 1.0  # what is opened and closed again does no harm
    assert brackets.score("([>", "])]") == pytest.approx(2 / 3)
    assert (sums.answer("3917>"), sums.draft("9317>")) == ("3230", "0341")
    assert sums.score("3917>", "32307") == pytest.approx(4 / 5)
    assert (syllables.answer("bkd>"), syllables.draft("bkd>")) == ("bakeda", "bakada")
    assert syllables.score("bkd>", "bike") == pytest.approx(syllables.score("bkd>", "bikexx"))
