"""Tasks, items and labels: who is in which part, and that nothing depends on position."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.data.formatters import BUILTIN, columns_formatter, find_formatter
from w2s.finetune.data.items import PARTS, Columns, draw_items, dropped_items, items, truth
from w2s.finetune.data.labels import as_labels, flip, mix, part_ids, temper, truth_labels, truth_of
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_table
from w2s.finetune.data.tasks import TaskData
from w2s_kernels import NUMPY, permutation, stream


def rows(count, groups=None):
    return [
        {
            "text": f"word {k} of {(groups or count) and k % (groups or count)}",
            "label": k % 2,
            "group": f"g{k % (groups or count)}",
        }
        for k in range(count)
    ]


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A folder of W2S_DATA with a task of 400 training and 100 test rows."""
    folder = tmp_path / "data" / "sst2"
    folder.mkdir(parents=True)
    for split, content in (("train", rows(400)), ("test", [{"text": f"other {k}", "label": k % 2} for k in range(100)])):
        with gzip.open(folder / f"{split}.jsonl.gz", "wt") as stream_:
            stream_.writelines(json.dumps(row) + "\n" for row in content)
    monkeypatch.setenv("W2S_DATA", str(tmp_path / "data"))
    return TaskData.find("sst2")


def draw(task, *, columns=None, balance=True, seed=0, **sizes):
    asked = {"labeled": 50, "transfer": 60, "validation": 20, "test": None} | sizes
    return draw_items(task, columns or Columns(), asked, balance=balance, seed=seed)


def test_parts_are_disjoint_balanced_and_of_the_size_asked(named):
    parts, classes, counts = draw(named)
    assert classes == ["negative", "positive"]
    ids = {part: {item.id for item in parts[part]} for part in PARTS}
    assert [len(ids[part]) for part in PARTS] == [50, 60, 20, 100]
    assert len(set().union(*ids.values())) == 230
    for part in PARTS:
        assert len(set(Counter(item.example.label for item in parts[part]).values())) == 1
    assert counts["available"] == 400


def test_smaller_parts_are_prefixes_and_the_test_part_knows_no_seed(named):
    small, large = draw(named, labeled=20)[0], draw(named, labeled=80)[0]
    assert {i.id for i in small["labeled"]} <= {i.id for i in large["labeled"]}
    assert [i.id for i in small["transfer"]] == [i.id for i in large["transfer"]]
    other = draw(named, seed=1)[0]
    assert [i.id for i in other["test"]] == [i.id for i in small["test"]]
    assert {i.id for i in other["labeled"]} != {i.id for i in draw(named)[0]["labeled"]}


def test_groups_are_never_torn(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(600, groups=60)))
    task = TaskData.find("mine.jsonl", tmp_path)
    for seed in range(5):
        parts = draw(task, columns=Columns(group="group"), seed=seed, labeled=100, transfer=100, validation=50)[0]
        groups = [{item.example.group for item in parts[part]} for part in PARTS]
        assert all(not groups[a] & groups[b] for a in range(4) for b in range(a))


def test_a_sorted_file_is_shuffled_before_it_is_cut(tmp_path):
    path = tmp_path / "sorted.csv"
    path.write_text(
        "text,label\n" + "".join(f"good {k},yes\n" for k in range(200)) + "".join(f"bad {k},no\n" for k in range(200))
    )
    parts, classes, _ = draw(TaskData.find("sorted.csv", tmp_path), balance=False)
    assert classes == ["no", "yes"]
    share = np.mean([item.example.label for item in parts["labeled"]])
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(50)


def test_what_is_dropped_is_counted(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("text,label\n" + "".join(f"a {k},{k % 2}\n" for k in range(60)) + "a 1,1\n  ,0\nb,\n")
    _, _, counts = draw(TaskData.find("mine.csv", tmp_path), labeled=10, transfer=10, validation=4, test=6)
    assert counts["dropped"] == {"duplicate": 1, "empty": 1, "no_label": 1}
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    assert dropped_items(tmp_path) == 3


def drawn_classes(folder: Path, name: str, content: str | pa.Table, **columns) -> dict[str, str]:
    """Class of every text of a file of one's own."""
    path = folder / name
    pq.write_table(content, path) if isinstance(content, pa.Table) else path.write_text(content)
    parts, classes, _ = draw(
        TaskData.find(name, folder), columns=Columns(**columns), balance=False, labeled=None, transfer=0, validation=0, test=0
    )
    return {item.example.text: classes[item.example.label] for item in parts["labeled"]}


LABELS = ["007", "7", "NA", "nan", "null", "1e5", "true", "9223372036854775813", "no ", " no", "1.0"]


def test_labels_are_names_as_written(tmp_path):
    names = {f"t{k}": label.strip() for k, label in enumerate(LABELS)}
    content = "text,label\n" + "".join(f"t{k},{label}\n" for k, label in enumerate(LABELS))
    assert drawn_classes(tmp_path, "mine.csv", content) == names
    lines = "".join(json.dumps({"text": f"t{k}", "label": label}) + "\n" for k, label in enumerate(LABELS))
    assert drawn_classes(tmp_path, "mine.jsonl", lines) == names
    table = pa.table({"text": list(names), "label": LABELS})
    assert drawn_classes(tmp_path, "mine.parquet", table) == names


def test_a_name_is_the_same_in_every_format(tmp_path):
    wanted = {f"t{k}": str(k % 2) for k in range(6)}
    lines = "".join(f'{{"text": "t{k}", "label": {k % 2}}}\n' for k in range(6))
    assert drawn_classes(tmp_path, "mine.jsonl", lines) == wanted
    for values in ([k % 2 for k in range(6)], [float(k % 2) for k in range(6)], [str(k % 2) for k in range(6)]):
        assert drawn_classes(tmp_path, "mine.parquet", pa.table({"text": list(wanted), "label": values})) == wanted


def test_the_same_rows_are_the_same_items_in_every_format(tmp_path):
    rows = [(f"text {k}", str(k % 2), str(k)) for k in range(80)]
    (tmp_path / "mine.csv").write_text("text,label,note\n" + "".join(",".join(row) + "\n" for row in rows))
    lines = "".join(f'{{"text": "{a}", "label": {b}, "note": {c}}}\n' for a, b, c in rows)
    (tmp_path / "mine.jsonl").write_text(lines)
    typed = {"text": [row[0] for row in rows], "label": [int(row[1]) for row in rows], "note": [float(row[2]) for row in rows]}
    pq.write_table(pa.table(typed), tmp_path / "mine.parquet")
    drawn = [
        draw(TaskData.find(f"mine.{end}", tmp_path), labeled=20, transfer=20, validation=4, test=10)[0]
        for end in ("csv", "jsonl", "parquet")
    ]
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize(
    ("label", "classes"),
    [("", 2), (" ", 2), ("no ", 3), ("NA", 3)],
)
def test_only_an_empty_label_is_none(tmp_path, label, classes):
    found = drawn_classes(tmp_path, "mine.csv", f"text,label\na,0\nb,1\nc,{label}\n")
    assert len(set(found.values())) == classes
    assert ("c" in found) == (classes == 3)


@pytest.mark.parametrize(
    ("cells", "columns", "problem"),
    [
        (
            {"text": [{"role": "user", "content": "a"}]},
            {},
            "column 'text' holds list<.*struct<role: string, content: string>>, not text",
        ),
        ({"text": {"content": "a"}}, {}, "column 'text' holds struct<content: string>, not text"),
        ({"text": "a", "pair": ["b"]}, {"pair": "pair"}, "column 'pair' holds list<.*string>, not text"),
        ({"text": "a", "label": [1]}, {}, "column 'label' holds list<.*double>, not names"),
        ({"text": "a", "group": {"b": 1}}, {"group": "group"}, "column 'group' holds struct<b: double>, not names"),
    ],
)
def test_texts_are_texts_and_names_are_names(tmp_path, cells, columns, problem):
    lines = "".join(json.dumps({"label": k % 2, **cells}) + "\n" for k in range(4))
    with pytest.raises(FieldError, match=f"mine.jsonl: {problem}"):
        drawn_classes(tmp_path, "mine.jsonl", lines, **columns)


def test_numbers_of_parquet_are_no_texts(tmp_path):
    with pytest.raises(FieldError, match="column 'text' holds int64, not text"):
        drawn_classes(tmp_path, "mine.parquet", pa.table({"text": [1, 2], "label": [0, 1]}))


def test_columns_that_are_not_named_hold_anything(tmp_path):
    notes = ["n/a", 1, None, [1], {"a": [1, "b"]}, True]
    lines = "".join(json.dumps({"text": f"t{k}", "label": k % 2, "note": notes[k]}) + "\n" for k in range(6))
    assert drawn_classes(tmp_path, "mine.jsonl", lines) == {f"t{k}": str(k % 2) for k in range(6)}
    odd = {
        "when": pa.array([2**62, 1], pa.timestamp("us")),
        "far": pa.array([2**31 - 1, 0], pa.date32()),
        "bytes": [b"\xff", b""],
    }
    table = pa.table({"text": ["a", "b"], "label": [0, 1], **odd, "many": [[b"\xff"], []]})
    assert drawn_classes(tmp_path, "mine.parquet", table) == {"a": "0", "b": "1"}


@pytest.mark.parametrize("name", ["mine.json", "mine.tsv", "mine.CSV", "mine"])
def test_a_file_of_an_unknown_kind_is_told_the_known_ones(tmp_path, name):
    (tmp_path / name).write_text("[]")
    with pytest.raises(DataFileError, match=rf"{name}: unknown kind of file; known: \.csv, \.csv\.gz, \.jsonl"):
        TaskData.find(name, tmp_path)


def test_how_files_are_read_is_part_of_their_identity(tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text("text,label\na,0\n")
    before = TaskData.find("mine.csv", tmp_path)
    monkeypatch.setattr("w2s.finetune.data.tasks.OWN_FILES", 3)
    assert TaskData.find("mine.csv", tmp_path) != before


def test_a_known_task_takes_no_list_for_a_text_and_no_fraction_for_a_class():
    read = find_formatter("sst2").read
    assert read({"text": "a", "label": 1.0}).label == 1
    for row in ({"text": [{"role": "user"}], "label": 1}, {"text": "a", "label": 0.7}):
        with pytest.raises((TypeError, ValueError), match="is no"):
            read(row)


def test_a_missing_text_is_no_word_and_a_missing_group_is_none():
    read = columns_formatter("text", "label", "pair", "group").read
    first = read({"text": None, "label": 1, "pair": None, "group": None})
    second = read({"text": "b", "label": 1, "pair": "c", "group": None})
    assert (first.text, first.pair) == ("", "")
    assert first.group != second.group


def test_too_few_items_one_class_and_missing_columns_are_told(tmp_path, named):
    with pytest.raises(FieldError, match="1000 labeled items with 500 of each class are asked for, 400 are left"):
        draw(named, labeled=1000)
    path = tmp_path / "one.csv"
    path.write_text("text,label\n" + "".join(f"a {k},1\n" for k in range(40)))
    with pytest.raises(FieldError, match=r"one.csv: the label column .label. has 1 value"):
        draw(TaskData.find("one.csv", tmp_path), labeled=4, transfer=4, validation=2)
    with pytest.raises(FieldError, match="no column 'review'; its columns: text, label"):
        draw(TaskData.find("one.csv", tmp_path), columns=Columns(text="review"))
    with pytest.raises(DataFileError, match="no such file"):
        TaskData.find("none.csv", tmp_path)
    with pytest.raises(FieldError, match="did you mean 'boolq'"):
        TaskData.find("bolq", tmp_path)
    with pytest.raises(DataFileError, match="W2S_DATA"):
        TaskData.find("piqa", tmp_path)
    with pytest.raises(DataFileError, match="@REVISION"):
        TaskData.find("hub:google/boolq", tmp_path)


def test_content_is_the_identity(tmp_path, named):
    assert TaskData.find("sst2") == named
    target = named.path / "train.jsonl.gz"
    target.write_bytes(gzip.compress(b'{"text": "x", "label": 1}\n'))
    assert TaskData.find("sst2") != named


def test_the_hub_is_asked_for_the_commit(monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="the hub needs w2s-sweep[llm]")
    from w2s.files import hub

    asked = []

    class Info:
        sha = "0123abcd"

    def dataset_info(name, revision):
        asked.append((name, revision))
        return Info()

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub, "dataset_info", dataset_info)
    hub.hub_commit.cache_clear()
    first = TaskData.find("hub:google/boolq@main")
    assert asked == [("google/boolq", "main")]
    Info.sha = "ffff"
    hub.hub_commit.cache_clear()
    assert TaskData.find("hub:google/boolq@main") != first
    hub.hub_commit.cache_clear()


def test_choices_become_right_or_wrong_by_the_rows_own_coin():
    read = find_formatter("cosmos_qa").read
    seen = Counter()
    for k in range(400):
        row = {"context": f"c{k}", "question": "q?", "answers": ["a", "b", "c", "d"], "label": k % 4}
        example = read(row)
        assert example == read(dict(row))
        assert example.label == int(example.pair == "abcd"[k % 4])
        seen[example.pair, example.label] += 1
    assert abs(sum(count for (_, label), count in seen.items() if label) - 200) < 4 * 10
    assert all(seen[letter, 0] > 20 for letter in "abcd")


def test_every_task_has_a_formatter_that_reads_its_file(data_folder):
    for name in BUILTIN:
        task = TaskData.find(name)
        parts, classes, _ = draw(task, labeled=40, transfer=40, validation=20, test=40)
        assert len(parts["labeled"]) == 40
        assert {i.example.label for i in parts["labeled"]} == set(range(len(classes)))


@pytest.fixture
def data_folder(monkeypatch):
    import os

    if not os.environ.get("W2S_DATA"):
        pytest.skip("needs the data sets: set W2S_DATA")


# labels


@pytest.fixture
def drawn(named, tmp_path):
    store = Store(tmp_path / "store")
    sizes = {"labeled": 50, "transfer": 60, "validation": 20, "test": None}
    given = {"task": named, "columns": asdict(Columns()), "sizes": sizes, "balance": True, "seed": 0}
    store.ensure(items(**given))
    store.ensure(truth(**given))
    return store, items(**given), truth(**given)


def predictions(folder: Path, ids, values) -> Path:
    folder.mkdir()
    write_table(folder, "predictions", probability_table(ids, values))
    return folder


def test_truth_and_predictions_become_labels_by_id(drawn, tmp_path):
    store, call, true = drawn
    place = store.get(call)
    assert "truth" not in "".join(read_table(place, "items").column_names)
    ids = part_ids(place, "transfer")
    given = store.ensure(truth_labels(items=call, truth=true, part="transfer", classes=2))
    assert np.array_equal(probabilities(read_table(given, "labels")).argmax(axis=1), truth_of(store.get(true), ids))
    values = np.random.default_rng(0).dirichlet([1, 1], size=len(ids))
    order = np.random.default_rng(1).permutation(len(ids))
    scrambled = predictions(tmp_path / "p", [ids[k] for k in order], values[order])
    from w2s.artifacts import Work

    work = Work(tmp_path / "out", tmp_path)
    work.folder.mkdir()
    as_labels.function(work, predictions=scrambled, items=place, parts=("transfer",), hard=False)
    assert np.array_equal(probabilities(read_table(work.folder, "labels")), values)
    as_labels.function(work, predictions=scrambled, items=place, parts=("transfer",), hard=True)
    assert np.array_equal(probabilities(read_table(work.folder, "labels")), np.eye(2)[values.argmax(axis=1)])


def labelled(folder: Path, ids, values) -> Path:
    folder.mkdir()
    write_table(folder, "labels", probability_table(ids, values))
    return folder


def run(function, tmp_path, **arguments):
    from w2s.artifacts import Work

    work = Work(tmp_path / f"out-{function.name}", tmp_path)
    work.folder.mkdir()
    function.function(work, **arguments)
    return read_table(work.folder, "labels")


def test_random_flips_keep_everything_but_the_structure(drawn, tmp_path):
    store, call, answers = drawn
    ids = part_ids(store.get(call), "transfer")
    true = truth_of(store.get(answers), ids)
    values = np.random.default_rng(0).dirichlet([1, 1], size=len(ids))
    table = run(flip, tmp_path, labels=labelled(tmp_path / "l", ids, values), truth=store.get(answers), seed=3)
    found = probabilities(table)
    assert table["item_id"].to_pylist() == ids
    assert not np.array_equal(found, values)
    for k in (0, 1):  # confusion, prior and confidences of every true class
        assert np.array_equal(np.sort(found[true == k], axis=0), np.sort(values[true == k], axis=0))
    moved = np.asarray(permutation(stream("flip", "0", seed=3), int((true == 0).sum()), NUMPY))
    assert np.array_equal(found[true == 0], values[true == 0][moved])


def test_temperature_and_mixtures(tmp_path):
    ids = ["a", "b"]
    first, second = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[0.2, 0.8], [1.0, 0.0]])
    one, two = labelled(tmp_path / "1", ids, first), labelled(tmp_path / "2", ids[::-1], second[::-1])
    table = run(mix, tmp_path, labels=(one, two), weights=(1.0, 3.0))
    assert probabilities(join(ids, table)) == pytest.approx((first + 3 * second) / 4)
    soft = probabilities(run(temper, tmp_path, labels=one, temperature=2.0))
    assert soft[0] == pytest.approx(np.sqrt([0.9, 0.1]) / np.sqrt([0.9, 0.1]).sum())
    from w2s.finetune.data.labels import tempered

    assert tempered(second, 1.0) == pytest.approx(second)
    assert tempered(second, 1e-3).tolist() == [[0.0, 1.0], [1.0, 0.0]]  # 0.2^1000 is no number that is left
    assert tempered(second, 0.0).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_join_refuses_missing_and_double_ids():
    table = pa.table({"item_id": ["a", "b"], "p_0": [0.1, 0.2], "p_1": [0.9, 0.8]})
    assert probabilities(join(["b", "a"], table)).tolist() == [[0.2, 0.8], [0.1, 0.9]]
    with pytest.raises(KeyError, match="1 of 2 items have no row, the first is c"):
        join(["a", "c"], table)
    with pytest.raises(KeyError, match="twice"):
        join(["a"], pa.concat_tables([table, table]))


def test_too_few_items_are_told_with_what_became_of_the_rows(tmp_path):
    rows = [f"text {k},{'good' if k % 2 else 'bad'}" for k in range(60)]
    rows += [f"text {k},{'good' if k % 2 else 'bad'}" for k in range(6)] + ["text 7,bad", "other,Good", ",good"]
    (tmp_path / "mine.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    task, sizes = TaskData.find("mine.csv", tmp_path), {"labeled": 40, "transfer": 20, "validation": 0, "test": None}
    told = (
        "mine.csv: 20 transfer items are asked for, 6 are left; taken: 15 test (a quarter of the file), 40 labeled; "
        "classes: 'good' 26, 'bad' 19, 'Good' 1; left out: 6 duplicate, 1 duplicate with another label, 1 empty; ask for fewer"
    )
    with pytest.raises(FieldError) as error:
        draw_items(task, Columns(), sizes, balance=False, seed=0)
    assert str(error.value) == told
