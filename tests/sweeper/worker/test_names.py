"""Names of tasks: roles and values, no hashes."""

from __future__ import annotations

from sweeper.worker.names import block_words
from sweeper.worker.tasks import ArtifactTask
from w2s.contract.block import Axis, Block


def block(**axes):
    return Block({"noise": 0.5}, tuple(Axis.single(name, values) for name, values in axes.items()))


def test_a_task_of_blocks_says_the_ranges_of_what_varies():
    one = block(seed=[5], d_weak=[20, 50, 200], filter=["ridge", "flow"])
    assert block_words([one]) == "solve d_weak=20..200 filter=ridge,flow seed 5"
    other = block(seed=[6, 7], d_weak=[400], filter=["ridge"])
    assert block_words([one, other]) == "solve d_weak=20..400 filter=ridge,flow seeds 5..7"


def test_many_words_are_counted_and_a_long_name_is_cut_before_its_seed():
    assert block_words([block(task=[f"t{k}" for k in range(9)])]) == "solve task=9 values"
    long = block_words([block(**{f"a_long_name_{k}": [k, k + 1] for k in range(20)}, seed=[3])])
    assert len(long) <= 100
    assert long.endswith("... seed 3")


def test_fields_that_are_idle_and_blocks_without_axes():
    assert (
        block_words([Block({}, (Axis(("filter", "ridge"), (("flow", None), ("steps", None))),))]) == "solve filter=flow,steps"
    )
    assert block_words([Block({"x": 1}, ())]) == "solve"


def test_an_artifact_is_called_what_its_study_calls_it():
    words = "train weak minilm-l6:1 sentence_polarity seed 3"
    assert ArtifactTask(None, None, "ab" * 16, "w2s.train", words=words).name == words
    assert ArtifactTask(None, None, "ab" * 16, "mine.train").name == "mine.train abababab"
