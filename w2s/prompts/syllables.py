"""A grammar of syllables with a graded reward: ``bkd>`` asks for the three consonants, a vowel behind each.

With consonants and vowels counted from 0, vowel v behind consonant c and the vowel p of the syllable before (0 at first) is
allowed where (c + p + v) mod 5 < 3, so a prompt of m consonants has 3^m right answers. The reference takes the first vowel that
is allowed, the draft behind ``k`` the first that is not.
"""

from __future__ import annotations

from w2s.prompts.task import PromptTask, Vector, pick

__all__ = ["SYLLABLES"]

_CONSONANTS, _VOWELS = "bdfgklmnpr", "aeiou"
_CARELESS = "k"


def _allowed(consonant: str, before: int, vowel: int) -> bool:
    return (_CONSONANTS.index(consonant) + before + vowel) % 5 < 3


def _draw(numbers: Vector) -> str:
    return "".join(pick(_CONSONANTS, u) for u in numbers[1 : 1 + 3 + int(4 * numbers[0])]) + ">"  # 3 to 6 consonants


def _written(prompt: str, careless: str) -> str:
    text, before = "", 0
    for consonant in prompt[:-1]:
        wanted = consonant not in careless
        before = next(v for v in range(len(_VOWELS)) if _allowed(consonant, before, v) == wanted)
        text += consonant + _VOWELS[before]
    return text


def _answer(prompt: str) -> str:
    return _written(prompt, "")


def _draft(prompt: str) -> str:
    return _written(prompt, _CARELESS)


def _score(prompt: str, answer: str) -> float:
    """Divide the right syllables by the larger of those asked for and those written, half ones included.

    A syllable is right with the prompt's consonant at its place and an allowed vowel; a vowel that is none counts as the first.
    """
    asked, before, right = prompt[:-1], 0, 0
    written = [answer[k : k + 2] for k in range(0, len(answer), 2)]
    for consonant, syllable in zip(asked, written, strict=False):
        vowel = _VOWELS.find(syllable[1:]) if len(syllable) == 2 else -1
        right += syllable[0] == consonant and vowel >= 0 and _allowed(consonant, before, vowel)
        before = max(vowel, 0)
    return right / max(len(asked), len(written))


SYLLABLES = PromptTask("syllables", "the consonants, an allowed vowel behind each", _draw, _answer, _draft, _score)
