"""Predictions made elsewhere: every format gives one row, the order of a file means nothing, intervals cover, errors say what."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from solving import one, solve

from sweeper import GridError, launch, load_grid
from sweeper.errors import UserError
from sweeper.tools.score import print_scores, score
from w2s.contract.columns import PROVENANCE
from w2s.measure.item_intervals import INTERVAL_COLUMNS
from w2s.measure.scores import scores
from w2s.studies.predictions.rows import class_row, probability_row, value_row

STUDY = "predictions"
SIDES = ("low", "high")


def drawn(seed: int, n: int = 200, strengths: tuple[float, ...] = (0.5, 0.9, 1.4)) -> pd.DataFrame:
    """A binary task: probabilities of three models that see the truth more and more clearly."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, n)
    noise = generator.standard_normal((4, n))
    logits = [a * (2 * truth - 1) + 0.6 * noise[0] + noise[k + 1] for k, a in enumerate(strengths)]
    models = {name: 1 / (1 + np.exp(-z)) for name, z in zip(("weak", "student", "ceiling"), logits, strict=True)}
    return pd.DataFrame({"item_id": [f"q{k}" for k in generator.permutation(n)], "truth": truth, **models})


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame in the format of the file name, at full precision."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    lines = "\n".join(json.dumps(row) for row in table.to_pylist())
    if path.name.endswith((".csv", ".csv.gz")):
        frame.to_csv(path, index=False)
    elif path.name.endswith(".jsonl"):
        path.write_text(lines)
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return path


def row_of(frame: pd.DataFrame, path: Path, **fixed: Any) -> pd.Series:
    write(frame, path)
    return one(STUDY, folder=path.parent, **({"file": path.name, "kind": "probability"} | fixed))


def results(row: pd.Series) -> pd.Series:
    """What a row says, without what names its file."""
    return row.drop(["cell_id", "file", *PROVENANCE])


def as_classes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: (frame[name] > 0.5).astype(int) for name in ("weak", "student", "ceiling")})


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of both classes as lists."""
    return frame.assign(**{name: [[1 - p, p] for p in frame[name]] for name in ("weak", "student", "ceiling")})


# ---------------------------------------------------------------- one row, whatever the format and the order


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet", "arrow", "feather"])
def test_every_format_gives_the_same_row(tmp_path: Path, ending: str) -> None:
    frame = drawn(0)
    expected = results(row_of(frame, tmp_path / "plain.parquet"))
    pd.testing.assert_series_equal(results(row_of(frame, tmp_path / f"mine.{ending}")), expected, rtol=1e-12)


def test_the_row_is_that_of_the_scores(tmp_path: Path) -> None:
    frame = drawn(1)
    row = row_of(frame, tmp_path / "mine.parquet")
    pairs = {name: np.column_stack([1 - frame[name], frame[name]]) for name in ("weak", "student", "ceiling")}
    expected = scores(frame["truth"].to_numpy(), pairs["weak"], pairs["student"], pairs["ceiling"])
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-12, nan_ok=True), name
    errors = row["weak_error"], row["student_error"], row["ceiling_error"]
    assert row["pgr"] == pytest.approx((errors[0] - errors[1]) / (errors[0] - errors[2]))
    assert row["gain"] == pytest.approx(row["weak_distance"] + row["cross_term"])
    assert row["misfit"] == row["weak_distance"]
    assert (row["status"], row["pgr_status"], row["n_items"]) == ("ok", "ok", 200)
    assert np.isnan(row["strong_error"])


def test_a_student_of_hard_labels_misfits_these(tmp_path: Path) -> None:
    frame = drawn(1)
    soft, hard = row_of(frame, tmp_path / "mine.parquet"), row_of(frame, tmp_path / "mine.parquet", labels="hard")
    right = np.where(frame["weak"] > 0.5, frame["student"], 1 - frame["student"])
    assert hard["misfit"] == pytest.approx(-np.log(right).mean(), rel=1e-12)
    assert hard["misfit_low"] < hard["misfit"] < hard["misfit_high"]
    assert hard["misfit"] != pytest.approx(soft["misfit"], rel=0.1)
    same = ["weak_distance", "weak_distance_low", "weak_distance_squared", "cross_term", "gain", "pgr", "student_error"]
    assert hard[same].tolist() == soft[same].tolist()
    with pytest.raises(GridError, match="labels: hard needs kind: probability"):
        row_of(as_classes(frame), tmp_path / "classes.parquet", kind="class", labels="hard")


def test_order_and_kind_of_ids_change_nothing(tmp_path: Path) -> None:
    frame = drawn(2).assign(item_id=np.arange(200))
    plain = results(row_of(frame, tmp_path / "plain.csv"))
    mixed = frame.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(results(row_of(mixed, tmp_path / "mixed.csv")), plain, check_exact=True)
    words = mixed.assign(item_id=mixed["item_id"].astype(str))
    pd.testing.assert_series_equal(results(row_of(words, tmp_path / "words.parquet")), plain, check_exact=True)


def test_lists_and_numbered_columns_are_the_number_of_class_1(tmp_path: Path) -> None:
    frame = drawn(3)
    plain = results(row_of(frame, tmp_path / "plain.parquet"))
    lists = results(row_of(wide(frame), tmp_path / "lists.parquet"))
    columns = frame[["item_id", "truth"]].assign(
        **{f"{m}_{k}": frame[m] if k else 1 - frame[m] for m in ("weak", "student", "ceiling") for k in (0, 1)}
    )
    numbered = results(row_of(columns, tmp_path / "columns.csv"))
    pd.testing.assert_series_equal(lists, plain, rtol=1e-9)
    pd.testing.assert_series_equal(numbered, plain, rtol=1e-9)


def test_names_of_ones_own_and_a_strong_baseline(tmp_path: Path) -> None:
    frame = drawn(4)
    expected = row_of(frame.assign(strong=frame["weak"]), tmp_path / "plain.csv")
    assert expected["strong_error"] == expected["weak_error"]
    assert expected["strong_error_low"] < expected["strong_error"] < expected["strong_error_high"]
    named = frame.rename(columns={"item_id": "id", "truth": "y", "weak": "gpt2"}).assign(small=frame["weak"])
    columns = {"item_column": "id", "truth_column": "y", "weak_column": "gpt2", "strong_column": "small"}
    row = row_of(named, tmp_path / "named.csv", **columns)
    assert row["strong_error"] == expected["strong_error"]
    assert row["pgr"] == expected["pgr"]


# ---------------------------------------------------------------- kinds


def test_classes_by_hand(tmp_path: Path) -> None:
    truth = ["cat", "dog", "dog", "eel"]
    frame = pd.DataFrame({"item_id": range(4), "truth": truth, "weak": ["cat", "cat", "cat", "cat"]})
    frame = frame.assign(student=["cat", "dog", "cat", "cat"], ceiling=truth)
    row = row_of(frame, tmp_path / "mine.csv", kind="class")
    assert (row["weak_error"], row["student_error"], row["ceiling_error"]) == (0.75, 0.5, 0.0)
    assert (row["pgr"], row["pgr_01"], row["gain"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 0.25)
    assert (row["misfit"], row["disagreement"], row["agreement"], row["cross_term"]) == (0.25, 0.25, 0.75, 0.0)
    assert (row["agreement_right"], row["agreement_wrong"]) == (1.0, pytest.approx(2 / 3))
    assert row[["weak_calibration", "student_brier", "misfit_squared"]].isna().all()


def test_classes_agree_with_the_hits_of_probabilities(tmp_path: Path) -> None:
    frame = drawn(5)
    soft = row_of(frame, tmp_path / "soft.csv")
    for k, hard in enumerate((as_classes(frame), as_classes(frame).astype({"weak": float, "truth": "uint8"}))):
        row = row_of(hard, tmp_path / f"hard{k}.parquet", kind="class")
        for name in ("weak_error_01", "student_error_01", "ceiling_error_01", "gain_01", "pgr_01", "agreement_wrong"):
            assert [row[f"{name}{s}"] for s in ("", "_low", "_high")] == pytest.approx(
                [soft[f"{name}{s}"] for s in ("", "_low", "_high")]
            ), name
        assert [row[f"pgr_{side}"] for side in SIDES] == [row[f"pgr_01_{side}"] for side in SIDES]


@pytest.mark.parametrize("outputs", [1, 3])
def test_values_keep_the_identity_of_gain_and_misfit(tmp_path: Path, outputs: int) -> None:
    generator = np.random.default_rng(6)
    truth = generator.standard_normal((150, outputs))
    models = {"weak": 1.0, "student": 0.7, "ceiling": 0.2}
    values = {"truth": truth} | {name: truth + a * generator.standard_normal(truth.shape) for name, a in models.items()}
    frame = pd.DataFrame({"item_id": range(150)} | {k: v[:, 0] if outputs == 1 else v.tolist() for k, v in values.items()})
    row = row_of(frame, tmp_path / "mine.parquet", kind="value")
    assert row["weak_error"] == pytest.approx(np.square(values["weak"] - truth).sum(axis=1).mean())
    assert row["misfit"] == pytest.approx(np.square(values["weak"] - values["student"]).sum(axis=1).mean())
    assert row["gain"] == pytest.approx(row["misfit"] + row["cross_term"], rel=1e-12)
    for name in ("gain", "misfit", "cross_term", "pgr"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert pd.isna(row["pgr_01_status"])
    assert pd.isna(row["agreement"])


# ---------------------------------------------------------------- names


def text_file(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    """A file in which every cell is the given text; in JSON lines a number where it reads as one."""
    path = folder / name
    if name.endswith(".csv"):
        pd.DataFrame(rows).to_csv(path, index=False)
    elif name.endswith(".jsonl"):
        numbers = [
            {k: v if v.isdecimal() and (v == "0" or v[0] != "0") else json.dumps(v) for k, v in row.items()} for row in rows
        ]
        path.write_text("".join("{" + ", ".join(f'"{k}": {v}' for k, v in row.items()) + "}\n" for row in numbers))
    else:
        pq.write_table(pa.table(pd.DataFrame(rows).to_dict("list")), path)
    return path


def named(truth: list[str], weak: list[str], ids: list[str] | None = None) -> list[dict[str, str]]:
    """Items with a weak model and two perfect ones."""
    ids = [f"q{k}" for k in range(len(truth))] if ids is None else ids
    return [{"item_id": i, "truth": t, "weak": w, "student": t, "ceiling": t} for i, t, w in zip(ids, truth, weak, strict=True)]


FORMATS = ["mine.csv", "mine.jsonl", "mine.parquet"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_that_never_says_one_of_the_classes(tmp_path: Path, name: str) -> None:
    truth = ["true", "true", "neither", "false", "neither", "false"]
    weak = ["true", "false", "true", "false", "true", "false"]
    row = score(text_file(tmp_path, name, named(truth, weak)), "class").iloc[0]
    assert (row["weak_error"], row["pgr"], row["misfit"]) == (0.5, 1.0, 0.5)
    assert "class" not in str(row["message"])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "names",
    [
        ("007", "7"),
        ("NA", "US"),
        ("1e5", "100000"),
        ("true", "yes"),
        ("0.5", "1"),
        ("-0", "x"),
        ("nan", "null"),
        ("a b", "a_b"),
    ],
)
def test_classes_are_text_as_written(tmp_path: Path, name: str, names: tuple[str, str]) -> None:
    first, second = names
    row = score(text_file(tmp_path, name, named([first, second, first, second], [first, first, first, second])), "class").iloc[
        0
    ]
    assert (row["weak_error"], row["student_error"]) == (0.25, 0.0)
    says = "is the name of a class here, not a missing value"
    assert (says in str(row["message"])) == bool({"NA", "nan"} & set(names))


def test_a_class_named_like_a_missing_value_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_scores(score(text_file(tmp_path, "mine.csv", named(["NA", "US"], ["NA", "NA"])), "class"))
    assert capsys.readouterr().out.splitlines()[-1] == "! 'NA' is the name of a class here, not a missing value"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "ids",
    [
        ["007", "7", "010", "10"],
        [str(2**63 + k) for k in range(5, 9)],
        [str(2**64 + k) for k in range(4)],
        ["1e5", "100000", "NA", "nan"],
        ["true", "True", "1", "1.0"],
    ],
)
def test_items_are_text_as_written(tmp_path: Path, name: str, ids: list[str]) -> None:
    path = text_file(tmp_path, name, named(["0", "1", "0", "1"], ["0", "1", "0", "0"], ids))
    assert score(path, "class")["weak_error"].item() == 0.25


def test_ids_that_parquet_stores_as_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(named(["0", "1", "0", "1"], ["0", "1", "0", "0"]))
    ids = pa.array([2**63 + k for k in range(4)], pa.uint64())
    pq.write_table(
        pa.table({"item_id": ids} | {name: frame[name].to_list() for name in frame if name != "item_id"}),
        tmp_path / "a.parquet",
    )
    assert score(tmp_path / "a.parquet", "class")["n_items"].item() == 4


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_white_space_around_a_name_is_no_part_of_it(tmp_path: Path, name: str) -> None:
    path = text_file(tmp_path, name, named(["no ", " yes", "no", "yes"], ["no", "yes ", " no ", "no"], [" a", "b ", "c", "d"]))
    assert score(path, "class")["weak_error"].item() == 0.25
    with pytest.raises(UserError, match="item a is listed twice"):
        score(text_file(tmp_path, f"twice-{name}", named(["no", "yes"], ["no", "no"], ["a", " a"])), "class")


@pytest.mark.parametrize(
    ("truth", "weak", "problem"),
    [
        ("0 1 0 1", "0.0 1.0 0.0 0.0", "item 'q0': class '0.0', but '0' in the truth"),
        (
            "0 1 0 1",
            "false true false true",
            "'weak' shares no class with the truth: it has 'false', 'true', the truth has '0', '1'",
        ),
        ("yes no yes no", "yes No yes No", "item 'q1': class 'No', but 'no' in the truth"),
        ("07 8 07 8", "7 8 7 8", "item 'q0': class '7', but '07' in the truth"),
        ("caf\u00e9 no no no", "cafe\u0301 no no no", "item 'q0': class 'cafe\u0301', but 'caf\u00e9' in the truth"),
        ("a b a b", "c c c c", "it has 'c', the truth has 'a', 'b'; write classes the same way in every column"),
        ("0 1 0 1", "0.1 0.9 0.2 0.8", "shares no class with the truth: .*is the kind probability, or value"),
    ],
)
def test_spellings_that_do_not_meet_are_errors(tmp_path: Path, truth: str, weak: str, problem: str) -> None:
    path = text_file(tmp_path, "mine.csv", named(truth.split(), weak.split()))
    with pytest.raises(UserError, match=f"mine.csv: .*{problem}"):
        score(path, "class")


def test_a_class_that_only_a_model_names_is_a_class(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mine.csv", named(["a", "b", "a", "A", "7"], ["a", "c", "B", "A", "70"]))
    assert score(path, "class")["weak_error"].item() == pytest.approx(3 / 5)


def test_classes_of_the_truth_that_are_spelled_alike_are_said(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mine.csv", named(["yes", "Yes", "no", "no"], ["yes", "yes", "no", "no"]))
    row = score(path, "class")
    assert row["weak_error"].item() == 0.25
    assert "'Yes', 'yes' are 2 classes: names are taken as they are written" in row["message"].item()


@pytest.mark.parametrize("name", ["Seed", "GROUP", "Strong"])
def test_an_optional_column_that_is_spelled_otherwise_is_not_passed_over(tmp_path: Path, name: str) -> None:
    path = write(as_classes(drawn(0)).assign(**{name: 1}), tmp_path / "mine.csv")
    role = name.lower()
    with pytest.raises(
        UserError, match=f"is column '{name}' the {role} column. write '{role}' in the file, or {role}_column: {name}"
    ):
        score(path, "class")
    grid = {
        "study": STUDY,
        "fixed": {"file": path.name, "kind": "class", f"{role}_column": name},
        "seeds": [1] if role == "seed" else 1,
    }
    load_grid(grid, tmp_path)


@pytest.mark.parametrize("cell", ["?", "0,5", "5%", "abc"])
def test_a_number_that_is_none_is_named_with_its_item(tmp_path: Path, cell: str) -> None:
    frame = drawn(0).astype({"weak": str})
    frame.loc[3, "weak"] = cell
    item = frame["item_id"][3]
    with pytest.raises(UserError, match=rf"column 'weak', item '{item}': '{cell.replace('?', '.')}' is no number"):
        score(write(frame, tmp_path / "mine.csv"), "probability")


def test_a_missing_column_of_several_is_told(tmp_path: Path) -> None:
    frame = wide(drawn(0))
    for name in ("weak", "student", "ceiling"):
        frame = frame.assign(**{f"{name}_{k}": [pair[min(k, 1)] for pair in frame[name]] for k in (0, 2)}).drop(columns=name)
    with pytest.raises(UserError, match="there is 'weak_2', but no 'weak_1'"):
        score(write(frame, tmp_path / "mine.csv"), "value")


def test_truth_of_probabilities_may_be_true_and_false(tmp_path: Path) -> None:
    frame = drawn(0)
    plain = results(row_of(frame, tmp_path / "plain.csv"))
    for name in ("mine.csv", "mine.parquet", "mine.jsonl"):
        pd.testing.assert_series_equal(results(row_of(frame.astype({"truth": bool}), tmp_path / name)), plain, rtol=1e-12)


def test_a_plan_says_what_a_file_holds(tmp_path: Path) -> None:
    frame = pd.DataFrame(named(["no", "yes"], ["no", "maybe"])).assign(note="x")
    write(frame, tmp_path / "mine.csv")
    grid = load_grid({"study": STUDY, "fixed": {"file": "mine.csv", "kind": "class"}, "seeds": 1}, tmp_path)
    assert grid.study().reads(grid.parts[0].block) == ["mine.csv: 2 items; classes 'maybe', 'no', 'yes'; not used: 'note'"]


# ---------------------------------------------------------------- statuses and intervals


def test_statuses_of_a_gap(tmp_path: Path) -> None:
    frame = drawn(7)
    same = row_of(frame.assign(ceiling=frame["weak"]), tmp_path / "same.csv")
    assert (same["pgr_status"], same["status"]) == ("gap_nonpositive", "ok")
    assert same[["pgr", "pgr_low", "pgr_high", "pgr_01_low"]].isna().all()
    guess = pd.DataFrame({"item_id": range(5), "truth": 1, "weak": 0.5, "student": 0.6, "ceiling": [0.9, 0.9, 0.9, 0.9, 0.1]})
    few = row_of(guess, tmp_path / "few.csv")
    assert few["pgr_status"] == "ok"
    assert few[["pgr_low", "pgr_high"]].isna().all()
    assert "do not resolve the gap" in few["message"]
    copied = row_of(frame.assign(student=frame["ceiling"]), tmp_path / "copied.csv")
    assert [copied[name] for name in ("pgr", "pgr_low", "pgr_high", "pgr_01_low", "pgr_01_high")] == pytest.approx([1.0] * 5)


def test_every_number_has_an_interval(tmp_path: Path) -> None:
    row = row_of(drawn(8).assign(strong=drawn(8)["weak"]), tmp_path / "mine.csv")
    for name in (column.removesuffix("_low") for column in INTERVAL_COLUMNS if column.endswith("_low")):
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"], name


def _truth_of_the_law(n: int = 400_000) -> dict[str, float]:
    frame = drawn(99, n)
    pairs = {name: np.column_stack([1 - frame[name], frame[name]]) for name in ("weak", "student", "ceiling")}
    row = scores(frame["truth"].to_numpy()[:n], *pairs.values())
    found = {name: float(row[name]) for name in ("misfit", "agreement_wrong", "agreement_right", "weak_error")}
    for suffix in ("", "_01"):
        weak, student, ceiling = (float(row[f"{m}_error{suffix}"]) for m in pairs)
        found |= {f"gain{suffix}": weak - student, f"pgr{suffix}": (weak - student) / (weak - ceiling)}
    return found


def test_intervals_cover() -> None:
    truth, repeats, hits = _truth_of_the_law(), 100, dict.fromkeys(_truth_of_the_law(1000), 0)
    for seed in range(repeats):
        frame = drawn(1000 + seed, 300)
        pairs = {name: np.column_stack([1 - frame[name], frame[name]]) for name in ("weak", "student", "ceiling")}
        row = probability_row(frame["truth"].to_numpy(), pairs)
        for name in hits:
            hits[name] += row[f"{name}_low"] <= truth[name] <= row[f"{name}_high"]
    error = 4 * np.sqrt(0.05 * 0.95 / repeats)
    assert {name: count / repeats for name, count in hits.items() if not abs(count / repeats - 0.95) < error} == {}


def test_weights_of_one_item_do_not_break_a_row() -> None:
    assert class_row(np.array([0]), {m: np.array([1]) for m in ("weak", "student", "ceiling")})["weak_error"] == 1.0
    one_value = value_row(np.ones((1, 1)), {m: np.zeros((1, 1)) for m in ("weak", "student", "ceiling")})
    assert one_value["cross_term"] == 0.0
    assert np.isnan([one_value["gain_low"], one_value["gain_high"]]).all()


# ---------------------------------------------------------------- seeds, groups, grids


def seeded() -> pd.DataFrame:
    parts = [drawn(10 * s + g, 80).assign(seed=s, group=name) for s in (3, 7) for g, name in enumerate(("boolq", "sst2"))]
    return pd.concat(parts, ignore_index=True)


def test_seeds_and_groups_are_rows_of_their_own(tmp_path: Path) -> None:
    frame = seeded()
    write(frame.sample(frac=1, random_state=1), tmp_path / "mine.csv")
    rows = solve(
        STUDY, axes={"group": ["boolq", "sst2"]}, seeds=[3, 7], folder=tmp_path, file="mine.csv", kind="probability"
    ).set_index(["group", "seed"])
    for (group, seed), part in frame.groupby(["group", "seed"]):
        alone = row_of(part.drop(columns=["seed", "group"]), tmp_path / "alone.csv")
        for name in ("weak_error", "pgr", "pgr_low", "misfit_high", "student_calibration"):
            assert rows.loc[(group, seed), name] == alone[name]
    pooled = solve(STUDY, seeds=[3], folder=tmp_path, file="mine.csv", kind="probability")
    assert pooled["n_items"].tolist() == [160]


def test_five_lines_are_a_grid(tmp_path: Path) -> None:
    write(pd.concat([drawn(s).assign(seed=s) for s in range(5)]), tmp_path / "mine.csv")
    manual = (Path(__file__).parents[3] / "docs" / "studies" / "predictions.md").read_text()
    (tmp_path / "mine.yaml").write_text(manual.partition("```yaml\n")[2].partition("```")[0])
    outcome = launch(tmp_path / "mine.yaml", executor="inline")
    assert (outcome.exit, outcome.computed, outcome.failed) == (0, 5, 0)
    import w2s

    summary = w2s.summarize(w2s.load(outcome.run), by=[])
    assert summary["pgr_status"].tolist() == ["ok"]
    assert summary["pgr_low"].item() < summary["pgr"].item() < summary["pgr_high"].item()


def test_scores_without_a_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = seeded()
    ragged = frame[(frame["group"] == "boolq") | (frame["seed"] == 3)]
    rows = score(write(ragged, tmp_path / "mine.csv"), "probability", "group")
    assert sorted(zip(rows["group"], rows["seed"], strict=True)) == [("boolq", 3), ("boolq", 7), ("sst2", 3)]
    print_scores(rows)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["boolq", "3", "items"],
        ["boolq", "7", "items"],
        ["boolq", "all", "2"],
        ["sst2", "3", "items"],
        ["sst2", "all", "items"],
    ]
    assert len(score(tmp_path / "mine.csv", "probability")) == 2
    with pytest.raises(UserError, match="did you mean 'group'"):
        score(tmp_path / "mine.csv", "probability", "gruop")


# ---------------------------------------------------------------- errors before anything runs


def broken(**columns: Any) -> pd.DataFrame:
    return drawn(0, 6).assign(**({"item_id": list("abcdef")} | columns))


@pytest.mark.parametrize(
    ("frame", "fixed", "message"),
    [
        (broken().drop(columns="student"), {}, "no column 'student'.*name yours with student_column"),
        (broken().rename(columns={"weak": "waek"}), {}, "did you mean 'waek'"),
        (broken(), {"strong_column": "base"}, "no column 'base'"),
        (broken(item_id=list("abcdea")), {}, "item a is listed twice"),
        (broken(truth=[0, 1, 2, 0, 1, 0]), {}, "truth 2 is not one of the classes 0..1"),
        (broken(truth=list("xyxyxy")), {}, "column 'truth' holds .*string, not whole numbers"),
        (broken(weak=[0.1, 0.2, 1.5, 0.3, 0.4, 0.5]), {}, r"column 'weak', item 'c': \[1.5\] is outside \[0, 1\]"),
        (broken(weak=[0.1, 0.2, None, 0.3, 0.4, 0.5]), {}, "column 'weak', item 'c': no value"),
        (broken(weak=[0.1, np.inf, 0.2, 0.3, 0.4, 0.5]), {}, "column 'weak', item 'b': the value is not finite"),
        (wide(broken()).assign(weak=[[0.5, 0.6]] * 6), {}, "item 'a': the probabilities sum to 1.1, not to 1"),
        (wide(broken()).assign(weak=[[0.2, 0.3, 0.5]] * 6), {}, "different numbers of classes"),
        (wide(broken()).assign(weak=[[0.5, 0.5]] * 5 + [[1.0]]), {}, "lists of column 'weak' differ in length"),
        (as_classes(broken()), {}, "every prediction is 0 or 1.*kind: class"),
        (broken(), {"kind": "class"}, "column 'weak' holds double, not classes"),
        (broken(truth=list("xyxyxy")), {"kind": "value"}, "column 'truth' holds .*string, not numbers"),
        (broken(), {"group": "a"}, "no group column"),
        (broken(group=list("aabbcc")), {"group": "d"}, "no rows of group 'd' in seed 0; its groups: a, b, c"),
        (broken(seed=[3, 3, 3, 8, 8, 8]), {}, "no rows of seed 0; its seeds: 3, 8"),
        (broken(seed=[0.5] * 6), {}, "column 'seed' holds double, not whole numbers"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, frame: pd.DataFrame, fixed: dict[str, Any], message: str) -> None:
    path = write(frame, tmp_path / "mine.parquet")
    with pytest.raises(GridError, match=message):
        load_grid({"study": STUDY, "fixed": {"file": path.name, "kind": "probability"} | fixed}, tmp_path)


def test_a_missing_column_is_not_taken_for_another_one_that_is_needed(tmp_path: Path) -> None:
    frame = drawn(0).drop(columns="student")
    with pytest.raises(UserError, match=r"no column 'student'; its columns") as told:
        score(write(frame, tmp_path / "mine.csv"), "probability")
    assert "did you mean" not in str(told.value)
    with pytest.raises(UserError, match=r"no column 'student' \(did you mean 'studnet'\?\)"):
        score(write(frame.assign(studnet=frame["weak"]), tmp_path / "mine.csv"), "probability")


def test_one_item_has_no_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"item_id": ["a"], "truth": [0], "weak": [0.9], "student": [0.1], "ceiling": [0.1]})
    rows = score(write(frame, tmp_path / "mine.csv"), "probability")
    row = rows.iloc[0]
    assert (row["pgr"], row["n_items"], row["message"]) == (pytest.approx(1.0), 1, "one item: no intervals")
    assert row[[name for name in rows.columns if name.endswith(("_low", "_high"))]].isna().all()
    print_scores(rows)
    text = capsys.readouterr().out
    assert "1 (one item)" in text
    assert "[" not in text


@pytest.mark.parametrize("some", [0, 5])
def test_groups_without_a_name_matter_only_to_whom_asks_for_groups(tmp_path: Path, some: int) -> None:
    frame = drawn(0)
    plain = score(write(frame, tmp_path / "plain.parquet"), "probability").iloc[0]
    groups = pd.array(["a"] * some + [None] * (len(frame) - some), dtype="string")
    path = write(frame.assign(group=groups), tmp_path / "mine.parquet")
    found = score(path, "probability").iloc[0]
    columns = [name for name in plain.index if name not in ("cell_id", "file", *PROVENANCE)]
    pd.testing.assert_series_equal(found[columns], plain[columns], check_names=False)
    with pytest.raises(UserError, match=r"mine.parquet: column 'group', item .*: no value"):
        score(path, "probability", "group")
    with pytest.raises(GridError, match=r"mine.parquet: column 'group', item .*: no value"):
        load_grid({"study": STUDY, "fixed": {"file": path.name, "kind": "probability", "group": "a"}}, tmp_path)
    twice = pd.concat([frame.assign(group="a"), frame.assign(group=None)])
    with pytest.raises(UserError, match="no value"):
        score(write(twice, tmp_path / "twice.parquet"), "probability")


def test_a_seed_below_zero_is_told_with_its_place(tmp_path: Path) -> None:
    frame = drawn(0)
    path = write(frame.assign(seed=[0] * 199 + [-1]), tmp_path / "mine.csv")
    item = frame["item_id"].iloc[-1]
    with pytest.raises(UserError, match=rf"mine.csv: column 'seed', item '{item}': -1 is no seed: 0 or more"):
        score(path, "probability")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty.csv").write_text("item_id,truth\n")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "torn.arrow").write_bytes(b"ARROW1\0\0")
    for name, message in {
        "notes.txt": "unknown kind of file",
        "empty.csv": "no rows",
        "torn.parquet": "torn.parquet: cannot be read",
        "torn.arrow": "torn.arrow: cannot be read",
        "none.csv": "no such file",
    }.items():
        with pytest.raises(GridError, match=message):
            load_grid({"study": STUDY, "fixed": {"file": name, "kind": "class"}}, tmp_path)
    write(drawn(0), tmp_path / "mine.csv")
    with pytest.raises(GridError, match="no seed column, so its rows are seed 0"):
        load_grid({"study": STUDY, "fixed": {"file": "mine.csv", "kind": "probability"}, "seeds": 2}, tmp_path)


@pytest.mark.parametrize("kind", ["probability", "class", "value"])
def test_without_a_ceiling_the_gain_is_a_result(tmp_path: Path, kind: Literal["probability", "class", "value"]) -> None:
    frame = pd.DataFrame({"item_id": range(40), "truth": [0, 1] * 20, "weak": [0.6, 0.7] * 20, "student": [0.3, 0.8] * 20})
    if kind == "class":
        frame = frame.assign(weak=[1, 1] * 20, student=[0, 1] * 20)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    (row,) = score(tmp_path / "mine.csv", kind).to_dict("records")
    assert row["status"] == "ok"
    assert row["gain"] > 0
    assert row["ceiling_error"] != row["ceiling_error"]
    assert row["pgr"] != row["pgr"]
    assert row["message"] == "the file has no ceiling: no PGR"
    frame.assign(Ceiling=frame["weak"]).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(UserError, match="is column 'Ceiling' the ceiling column"):
        score(tmp_path / "odd.csv", kind)
