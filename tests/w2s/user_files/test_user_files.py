"""Files of the user's own: which belong together, what their digest sees, and what `import` means in them."""

from __future__ import annotations

import sys
import types

import pytest

from w2s.errors import FieldError
from w2s.user_files import code_files, code_of, import_file, load_from_file, plain_name, read_source
from w2s.user_files.syntax import meaning_of

TEXT = '''"""A module."""
import helper

RATE = 0.5


def f(x, *, low=-1e-3):
    """Do it."""
    return [helper.g(x) + RATE, f"{x:>{3}.2f}", {**{}, "a": b"b"}, x if x else low][0]
'''


@pytest.fixture(autouse=True)
def nothing_leaks():
    before = list(sys.path)
    yield
    assert sys.path == before
    assert "helper" not in sys.modules


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A module."""\n', ""),
        ('"""Do it."""', '"""Do something else."""'),
        ('    """Do it."""\n', "    # says nothing\n"),
        ("RATE = 0.5\n", "RATE = 0.50  # half\n\n\n"),
        ("def f(x, *, low=-1e-3):", "def f(\n    x,\n    *,\n    low=-0.001,\n):"),
        ('"a": b"b"', "'a': b'b'"),
    ],
)
def test_how_a_text_is_written_leaves_its_digest(before, after):
    assert before in TEXT
    assert meaning_of(TEXT.replace(before, after).encode()).digest == meaning_of(TEXT.encode()).digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.5", "0.5000000000000001"),
        ("0.5", "5e-1j"),
        ("-1e-3", "1e-3"),
        ("import helper", "import helper as helper2"),
        ("helper.g(x) + RATE", "helper.g(x) - RATE"),
        ("*, low", "low"),
        ("2f", "3f"),
        ('"a"', "b'a'"),
        ("x if x else low", "low if x else x"),
        ("[0]", "[False]"),
        ('    """Do it."""\n', '    x = """Do it."""\n'),
        ("RATE = 0.5", "RATE: float = 0.5"),
    ],
)
def test_what_a_text_does_is_in_its_digest(before, after):
    assert before in TEXT
    assert meaning_of(TEXT.replace(before, after).encode()).digest != meaning_of(TEXT.encode()).digest


def test_the_digest_is_that_of_every_version_of_python():
    # Written by Python 3.11. A run that was launched with one version is extended with another.
    assert meaning_of(TEXT.encode()).digest[:16] == "093ae577073de8e8"
    assert meaning_of(("x = " + " + ".join(["1"] * 5000)).encode()).digest[:16] == "fded82b256d4b373"


def test_what_is_no_python_is_told_apart_by_its_bytes():
    one, other, null = (meaning_of(text) for text in (b"def f(:\n", b"def f(:\n ", b"x = 1\0"))
    assert len({one.digest, other.digest, null.digest}) == 3
    assert one.imports == ()


def test_files_are_found_through_each_other_wherever_the_statement_stands(tmp_path):
    write(
        tmp_path,
        study="def solve():\n    import first\n    from tools import deep, shape as s\nimport numpy, json, w2s, statistics\n",
        first="from second import x",
        second="import study\nx = 1",
        unused="",
        statistics="",
        w2s="",
        tools__in____init__="from . import near\nfrom .sub.far import y\nshape = 1",
        tools__in__near="",
        tools__in__deep="from .near import *",
        tools__in__sub__in__far="y = 1",
    )
    files = set(read_source(tmp_path / "study.py").files)
    tools = {"tools/__init__.py", "tools/near.py", "tools/deep.py", "tools/sub/far.py"}
    assert files == {"study.py", "first.py", "second.py", *tools}  # a file named like a standard module is not what is meant


def test_an_edit_of_any_file_is_another_digest_and_a_comment_is_not(tmp_path):
    write(tmp_path, study="import helper", helper="import far", far="X = 1")
    before = read_source(tmp_path / "study.py").digest
    write(tmp_path, far="X = 1  # as before")
    assert read_source(tmp_path / "study.py").digest == before
    write(tmp_path, far="X = 2")
    assert read_source(tmp_path / "study.py").digest != before


def test_neighbours_of_one_name_in_two_folders_do_not_meet(tmp_path):
    for name in ("one", "two"):
        write(
            tmp_path / name, study="import helper\nname = helper.NAME\ndef late():\n    import helper\n    return helper.NAME"
        )
        write(tmp_path / name, helper=f"NAME = {name!r}")
    one, two = (import_file(tmp_path / name / "study.py") for name in ("one", "two"))
    assert (one.name, two.name, one.late(), two.late()) == ("one", "two", "one", "two")
    with pytest.raises(ModuleNotFoundError):
        __import__("helper")


def test_every_form_of_import_means_the_neighbour(tmp_path):
    write(
        tmp_path,
        study="""
import tools.near
import tools.near as near
import helper as h
from tools import near as again, VALUE
from tools.sub import far
from . import helper
from .helper import X
found = (tools.near.Y, near is again, h is helper, X, VALUE, far.Z, h.back is __import__("sys").modules[__name__])
""",
        helper="import study as back\nX = 1",
        tools__in____init__="VALUE = 2",
        tools__in__near="import helper\nY = helper.X + 2",
        tools__in__sub__in__far="from ..near import Y\nZ = Y + 1",
    )
    assert import_file(tmp_path / "study.py").found == (3, True, True, 1, 2, 4, True)


def test_an_edit_is_seen_though_size_and_time_stay(tmp_path):
    import os

    write(tmp_path, study="import helper\nV = helper.V", helper="V = 1")
    os.utime(tmp_path / "helper.py", (1, 1))
    first = import_file(tmp_path / "study.py")
    assert import_file(tmp_path / "study.py") is first
    write(tmp_path, helper="V = 2")
    os.utime(tmp_path / "helper.py", (1, 1))
    assert (first.V, import_file(tmp_path / "study.py").V) == (1, 2)
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_worker_takes_the_source_that_was_launched_or_none(tmp_path):
    write(tmp_path, study="import helper", helper="V = 1")
    path = tmp_path / "study.py"
    first, digest = import_file(path), read_source(path).digest
    write(tmp_path, helper="V = 2")
    assert import_file(path, digest) is first
    with pytest.raises(FieldError, match="was edited after the launch had read it"):
        import_file(path, "0" * 16)
    assert import_file(path).helper.V == 2


def test_a_module_that_comes_in_around_the_digest_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, study="import importlib\nimportlib.import_module('dyna' + 'mic_neighbour')", dynamic_neighbour="V = 1")
    with pytest.raises(FieldError, match=r"loads dynamic_neighbour, .* write `import dynamic_neighbour` in it"):
        import_file(tmp_path / "study.py")
    sys.modules.pop("dynamic_neighbour")
    write(tmp_path, study="import dynamic_neighbour as d\nV = d.V")
    assert import_file(tmp_path / "study.py").V == 1
    assert "dynamic_neighbour" not in sys.modules


def test_classes_of_neighbours_work_as_elsewhere(tmp_path):
    write(
        tmp_path,
        study="""
from __future__ import annotations
from dataclasses import dataclass
from helper import Base, Point

@dataclass
class Line(Base):
    a: Point
""",
        helper="""
from __future__ import annotations
from typing import NamedTuple
from pydantic import BaseModel
import dataclasses

class Point(NamedTuple):
    x: float

class Model(BaseModel):
    point: Point

@dataclasses.dataclass
class Base:
    pass
""",
    )
    module = import_file(tmp_path / "study.py")
    assert module.Line(module.Point(1.0)).a.x == 1.0
    assert plain_name(module.Line.__module__) == "study"
    assert set(code_files(module.Line)) == {"study.py", "helper.py"}
    assert code_of(module.Line) != code_of(module.Point)
    (tmp_path / "study.py").rename(tmp_path / "renamed.py")
    assert code_of(import_file(tmp_path / "renamed.py").Line) == code_of(module.Line)


def test_a_part_counts_with_what_its_own_module_imports(tmp_path):
    def codes(**texts):
        write(tmp_path, study="from loss import f\nfrom other import g\ndef h(): ...", loss="import near\ndef f(): ...")
        write(tmp_path, other="def g(): ...", near="X = 1")
        write(tmp_path, **texts)
        module = import_file(tmp_path / "study.py")
        return tuple(code_of(getattr(module, name)) for name in "fgh")

    before = codes()
    changed = {
        name: [a != b for a, b in zip(codes(**{name: "Y = 1\nX = 2\ndef g(): ..."}), before, strict=True)]
        for name in ("near", "other")
    }
    assert changed == {"near": [True, False, True], "other": [False, True, True]}


def test_complaints_name_the_file(tmp_path):
    write(tmp_path, broken="import helper", helper="1 / 0", missing="import nothing_of_that_name", wrong="def f(:\n")
    for name, complaint in (
        ("broken", "ZeroDivisionError"),
        ("missing", "No module named 'nothing_of"),
        ("wrong", "SyntaxError"),
    ):
        with pytest.raises(FieldError, match=rf"{name}\.py cannot be imported: .*{complaint}"):
            import_file(tmp_path / f"{name}.py")
    assert not [name for name in sys.modules if name.startswith("w2s_user_broken")]
    with pytest.raises(FieldError, match="no such file"):
        import_file(tmp_path / "nowhere.py")
    write(tmp_path, helper="def thing(): ...")
    with pytest.raises(FieldError, match=r"defines no 'thin' \(did you mean 'thing'\?\)"):
        load_from_file("helper.py:thin", tmp_path, kind="part", plural="parts", fits=callable)


def test_an_installed_module_counts_with_what_it_imports_of_its_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    front = "from installed_for_test import other"  # nearly every package's
    write(
        tmp_path, installed_for_test__in____init__=front, installed_for_test__in__losses="from installed_for_test import tools"
    )
    write(tmp_path, installed_for_test__in__tools="X = 1", installed_for_test__in__other="X = 1", beside_it="X = 1")
    before = code_files("installed_for_test.losses")
    assert list(before) == ["installed_for_test.losses"]
    assert "installed_for_test" not in sys.modules  # nothing is imported to look
    write(tmp_path, installed_for_test__in__other="X = 2", beside_it="X = 2")
    assert code_files("installed_for_test.losses") == before
    write(tmp_path, installed_for_test__in__tools="X = 2")
    assert code_files("installed_for_test.losses") != before
    assert [code_files(name) for name in ("installed_nowhere.losses", "w2s.errors", "json.decoder", "__main__")] == [{}] * 4


def test_a_function_without_a_file_is_known_by_its_name_alone():
    module = types.ModuleType("typed_in")
    exec("def f(): ...", module.__dict__)
    module.f.__module__ = "typed_in"
    assert code_of(module.f) is None
    assert code_of(import_file) is None
