"""What columns, verdicts, statuses and keys of grids mean, word by word: the answers of ``w2s-sweep explain``.

A column that several studies have has one meaning, so it is written here once. Everything above ``measure`` may import it; a
new column of a built-in study gets its line in the module of its kind, one of a user's own study in ``Study.explains``.
"""

from w2s.glossary.answers import ANSWERS
from w2s.glossary.look_up import explain_word, meaning_of, words, words_by_place

__all__ = ["ANSWERS", "explain_word", "meaning_of", "words", "words_by_place"]
