"""Contracts of the source, read from its text: arrows, rooms, sizes, exports, reach, seeds. Each checker is shown to find a fault."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from forbidden import asserted_times, seed_arithmetic, workplace_names
from public_names import VERBS, export_faults, silent_packages, unreached, verbless
from source_tree import (
    Module,
    circles,
    crowded,
    dynamic_imports,
    imports_of,
    long_files,
    read_tree,
    upward_imports,
)

from w2s.finetune.seeds import BY_ARITHMETIC

ROOT = Path(__file__).resolve().parent.parent
SOURCE = read_tree(ROOT / "kernels" / "w2s_kernels", ROOT / "w2s", ROOT / "sweeper")
TESTS = read_tree(ROOT / "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

PACKAGES = (["w2s_kernels"], ["w2s"], ["sweeper"])
"""Packages from low to high."""

SCIENCE = (
    ["errors", "fronts"],
    ["files"],
    ["places"],
    ["user_files"],
    ["artifacts"],
    ["measure", "glossary"],
    ["decoding"],
    ["summary"],
    ["claims"],
    ["contract"],
    ["plugins"],
    ["probes", "prompts"],
    ["sharing"],
    ["labels"],  # below finetune: its methods and the studies of features treat labels by the same functions
    ["finetune"],
    ["laws"],  # above finetune: text features come from encoders
    ["theory", "figures", "predictions", "importers"],
    ["studies"],
    ["tables"],  # above studies: loading looks up fields that are younger than a table
    ["views"],
    ["tabulate"],
    ["plotting"],  # above tabulate: figures of every study show the metrics that tables show
    ["workloads"],  # an old name of sharing.workloads
)
"""Rooms of w2s from low to high; rooms of one line do not import each other."""

FINETUNE = (
    ["models", "seeds"],
    ["data", "setup"],
    ["inference"],
    ["objectives", "choices", "prompting"],
    ["training", "evaluation", "losses"],
    ["kit", "pretraining"],
    ["methods"],
)
"""Rooms of w2s.finetune from low to high."""

ENGINE = (
    ["errors", "console", "cpus", "choices", "supervised"],
    ["signals"],
    ["executors"],  # below grid: a grid checks the name and the options of its executor
    ["grid"],
    ["plan"],
    ["folder"],
    ["worker"],
    ["launching"],
    ["review"],
    ["report"],
    ["travel"],
    ["tools", "showing"],
    ["cli"],
    ["__main__"],
)
"""Rooms of sweeper from low to high."""

OUTSIDE: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "torch": (("torch", "transformers", "datasets", "peft", "safetensors"), ("w2s.finetune",)),
    "ray": (("ray",), ("sweeper.executors.ray",)),
    "cupy": (("cupy", "cupyx"), ("w2s_kernels",)),
    "the object store": (("obstore",), ("w2s.places",)),
    "the terminal": (("rich", "typer"), ("sweeper",)),
    "studies in the engine": (
        tuple(f"w2s.studies.{path.name}" for path in sorted((ROOT / "w2s" / "studies").iterdir()) if path.is_dir()),
        ("w2s",),
    ),
}
"""What only some rooms may import: the names, and where."""

BY_NAME = {
    "w2s.fronts": "fronts of packages import what is asked for, so that `import w2s` is quick and a plan without claims imports none",
    "w2s.plugins": "a registry imports the module that registers a name",
    "w2s.studies.registry": "a grid names its study",
    "w2s.user_files.load": "a grid names a file of the user's",
    "w2s_kernels.dispatch": "a compiled version is imported when its backend is used, so that the package needs NumPy alone",
    "w2s_kernels.scipy_parts": "a compiled module of SciPy is imported without its package",
    "sweeper.worker.threads": "Numba's threads are limited only where Numba is used",
}
"""Modules that import by a computed name, with the reason."""

MOST_MODULES, MOST_LINES = 14, 400
"""Of a folder, and of a module; 80 to 300 lines are the aim."""

SEEDS = BY_ARITHMETIC
"""Seeds made by arithmetic, with the reason; all others come from streams that hash names and seed."""

UNREACHED: Mapping[str, str] = {
    "sweeper.executors.processes:serve": "a worker process calls it, from the line of code that starts the interpreter",
    "w2s_kernels.wishart:factor": "the law itself, which the faster `gram` is tested and timed against",
    "w2s.laws.gaussian:latent_factor": "the same for latent designs",
}
"""Public functions that nothing reaches and no page shows, as module:name, with the reason."""


def test_packages_import_downwards() -> None:
    for k, (package,) in enumerate(PACKAGES):
        higher = [name for (name,) in PACKAGES[k + 1 :]]
        assert imports_of({n: m for n, m in SOURCE.items() if n.split(".")[0] == package}, higher, ()) == []


@pytest.mark.parametrize(("package", "order"), [("w2s", SCIENCE), ("w2s.finetune", FINETUNE), ("sweeper", ENGINE)])
def test_rooms_import_lower_rooms_only(package: str, order: Sequence[Sequence[str]]) -> None:
    assert upward_imports(SOURCE, package, order) == []
    named = {room for group in order for room in group}
    assert {room for room in named if not any(name.startswith(f"{package}.{room}") for name in SOURCE)} == set()


def test_nothing_imports_in_a_circle() -> None:
    assert circles(SOURCE) == []


@pytest.mark.parametrize("what", OUTSIDE)
def test_a_library_is_imported_in_its_room_only(what: str) -> None:
    names, rooms = OUTSIDE[what]
    assert imports_of(SOURCE, names, rooms) == []


def test_imports_by_name_have_a_reason() -> None:
    assert set(dynamic_imports(SOURCE)) == set(BY_NAME)


def test_folders_and_modules_are_small() -> None:
    assert crowded(SOURCE, MOST_MODULES) == []
    assert long_files(SOURCE, MOST_LINES) == []


def test_public_names_are_exported_and_documented() -> None:
    assert export_faults(SOURCE) == []


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    assert verbless(SOURCE) == []


@pytest.mark.parametrize("package", ["w2s_kernels", "w2s", "sweeper"])
def test_fronts_give_what_they_name(package: str) -> None:
    program = f"import {package} as p\nfor n in p.__all__: getattr(p, n)\nassert len(set(p.__all__)) == len(p.__all__)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_rooms_say_what_they_are() -> None:
    assert silent_packages(SOURCE) == []


def test_kernels_folder_is_no_package() -> None:
    assert not (ROOT / "kernels" / "__init__.py").exists()  # transformers imports a package of that name where there is one


def test_nothing_public_is_unreached() -> None:
    shown = [code for page in DOCUMENTS for code in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)]
    assert unreached(SOURCE, shown, ["sweeper.cli.main.main"]) == sorted(UNREACHED)


def test_seeds_come_from_hashed_streams() -> None:
    assert [fault for fault in seed_arithmetic(SOURCE) if fault.partition(": ")[2] not in SEEDS] == []
    assert len(seed_arithmetic(SOURCE)) >= len(SEEDS), "an exception that is no longer needed"


def test_tests_assert_no_times() -> None:
    assert asserted_times(TESTS) == []


def test_text_names_no_workplace() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert workplace_names(path for path in paths if path.is_file()) == []


Tree = Callable[..., dict[str, Module]]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a package ``pkg`` of some files and read it."""

    def made(**files: str) -> dict[str, Module]:
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / "pkg" / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_tree(tmp_path / "pkg")

    return made


@pytest.mark.parametrize(
    "statement",
    [
        "from pkg.high import x",
        "from pkg import high",
        "import pkg.high as h",
        "from .high import x",
        "def f():\n    from pkg.high import x",
        "if TYPE_CHECKING:\n    import pkg.high",
        "try:\n    import pkg.high\nexcept ImportError:\n    pass",
    ],
)
def test_an_arrow_upward_is_found(tree: Tree, statement: str) -> None:
    modules = tree(low=statement, high="x = 1")
    (fault,) = upward_imports(modules, "pkg", (["low"], ["high"]))
    assert "low imports pkg.high" in fault
    assert upward_imports(modules, "pkg", (["high"], ["low"])) == []
    assert len(upward_imports(modules, "pkg", (["low", "high"],))) == 1  # beside it is not below it
    assert upward_imports(modules, "pkg", (["high"],)) == ["pkg.low has no place in the order"]
    assert len(imports_of(modules, ["pkg.high"], ["pkg.other"])) == 1
    assert imports_of(modules, ["pkg.high"], ["pkg.low"]) == []


def test_an_arrow_upward_inside_a_room_is_found(tree: Tree) -> None:
    modules = tree(beside="", one__in__low="import pkg.beside\nimport pkg.one.high", one__in__high="")
    (fault,) = upward_imports(modules, "pkg.one", (["low"], ["high"]))
    assert "low imports pkg.one.high" in fault
    assert upward_imports(modules, "pkg.one", (["high"], ["low"])) == []


def test_a_circle_is_found_at_any_depth(tree: Tree) -> None:
    assert circles(tree(a="import pkg.b", b="import pkg.c", c="")) == []
    assert circles(tree(a="import pkg.b", b="import pkg.c", c="def f():\n    import pkg.a")) == ["pkg: a -> b -> c -> a"]
    rooms = {"one__in__x": "import pkg.two.y", "two__in__y": "", "two__in__z": "import pkg.one.w", "one__in__w": ""}
    assert circles(tree(a="", b="", c="", **rooms)) == ["pkg: one -> two -> one"]  # no module imports itself, but rooms do
    front = tree(a="", b="", c="", one__in____init__="from pkg.one.x import f", one__in__x="from pkg.one import f")
    assert "pkg.one: __init__ -> x -> __init__" in circles(front)


def test_sizes_and_dynamic_imports_are_found(tree: Tree) -> None:
    modules = tree(
        **{f"m{k}": "" for k in range(15)}, long="x = 1\n" * 401, hidden="import importlib\nimportlib.import_module('a')"
    )
    assert crowded(modules, 17) == []
    assert crowded(modules, 14)[0].endswith("pkg: 17 modules")
    assert [fault.rpartition("/")[2] for fault in long_files(modules, 400)] == ["long.py: 401 lines"]
    assert set(dynamic_imports(modules)) == {"pkg.hidden"}


def test_docstrings_without_a_verb_are_found(tree: Tree) -> None:
    modules = tree(
        a='''
            def noun():
                """Value it has."""
            def count():
                """Number of parts."""
            def whether():
                """Whether it is so."""
            def given():
                """Given a, return b."""
            def formula():
                r"""a[b], for every b."""
            def outer():
                """Return, for every item, a value."""
                async def _inner():
                    """The same within."""
            class Thing:
                """A class may be a noun."""
                @functools.cached_property
                def size(self):
                    """Number of parts."""
                @staticmethod
                def _made():
                    """Returns one."""
            def silent(): ...
            def said():
                """Say of every part what it is."""
        '''.replace("\n            ", "\n"),
    )
    assert [fault.partition(".py:")[2].partition(";")[0] for fault in verbless(modules)] == [
        "2: noun: begin the docstring with a verb, not 'Value'",
        "4: count: begin the docstring with a verb, not 'Number'",
        "6: whether: begin the docstring with a verb, not 'Whether'",
        "8: given: begin the docstring with a verb, not 'Given'",
        "10: formula: begin the docstring with a verb, not 'a[b],'",
        "14: _inner: begin the docstring with a verb, not 'The'",
        "22: _made: begin the docstring with a verb, not 'Returns'",
    ]
    assert len(verbless(modules, {"Value", *VERBS})) == 6


def test_faults_of_exports_are_found(tree: Tree) -> None:
    modules = tree(
        a='__all__ = ["f", "gone", "f"]\ndef f(): ...\ndef g(): ...\ndef _h(): ...',
        b="def f(): ...",
        c='__all__ = ["f", "X"]\nX = 1\ndef f():\n    """Do it."""\n@app.command()\ndef launch(): ...',
        room__in____init__='"""A word."""',
        room__in__sub__in____init__="",
    )
    assert [fault.rpartition("/")[2] for fault in export_faults(modules)] == [
        "a.py: f is in __all__ twice",
        "a.py: gone is in __all__ and does not exist",
        "a.py: f is exported without a docstring",
        "a.py: f is exported without a docstring",
        "a.py: g is public and not in __all__",
        "b.py: no __all__, but public f",
    ]
    silent = [fault.partition("pkg/")[2] for fault in silent_packages(modules)]
    assert silent == ["__init__.py: 0 sentences", "room/__init__.py: 1 sentences", "room/sub/__init__.py: 0 sentences"]


def test_what_nothing_reaches_is_found(tree: Tree) -> None:
    modules = tree(
        front__in____init__="from pkg.front.deep import passed_on, only_passed_on",
        front__in__deep="def passed_on(): ...\ndef only_passed_on(): ...",
        a='__all__ = ["alone"]\ndef alone(): return alone()\ndef used(): return helper()\ndef helper(): ...\nTABLE = {"x": used}',
        b="from pkg import a, front\nfrom pkg.a import alone\ndef calls(): return a.used(), dead()\ndef dead(): ...",
        c='HOME = "pkg.c:by_name"\ndef by_name(): ...\n@app.command()\ndef command(): ...\ndef shown(): ...\ndef root(): ...',
        d="from pkg.front import passed_on\nclass Kept:\n    def run(self): return passed_on()\nKept().run()",
        k="step = operation('kernel', 'work', 'numba', twin='lanes')",
        kernel__in__plain="def work(): ...",
        kernel__in__lanes="def work(): ...\ndef third(): ...",
        kernel__in__numba="def work(): ...\ndef other(): ...",
    )
    lost = [
        "pkg.a:alone",
        "pkg.b:calls",
        "pkg.b:dead",
        "pkg.front.deep:only_passed_on",
        "pkg.kernel.lanes:third",
        "pkg.kernel.numba:other",
    ]
    assert unreached(modules, ["import pkg.c\npkg.c.shown()"], ["pkg.c.root"]) == lost
    assert unreached(modules) == sorted([*lost, "pkg.c:root", "pkg.c:shown"])


@pytest.mark.parametrize(
    "code",
    [
        "Philox(key=[self.seed * 1000003, 1])",
        "x = seed + 1",
        "x = cell['seed'] * 7 + member",
        "x = int(run.seed) ^ 5",
        "train_seed += 1",
    ],
)
def test_seed_arithmetic_is_found(tree: Tree, code: str) -> None:
    assert len(seed_arithmetic(tree(a=code))) == 1
    assert seed_arithmetic(tree(a="even = seed % 2\nstream('rows', seed=seed)\nn = len(block.values('seed')) * 3")) == []


def test_asserted_times_and_workplaces_are_found(tree: Tree, tmp_path: Path) -> None:
    timed = "def test_it():\n    start = time.perf_counter()\n    work()\n    took = time.perf_counter() - start\n    assert took < 1"
    assert len(asserted_times(tree(a=timed))) == 1
    direct = "def test_it():\n    assert time.monotonic() < 5\n    end = time.time() + 3\n    while time.time() < end: pass"
    assert len(asserted_times(tree(a=direct))) == 1
    helped = "def test_it():\n    def seconds():\n        start = time.time()\n        return time.time() - start\n    took = seconds()\n"
    assert len(asserted_times(tree(a=f"{helped}    assert took < 1"))) == 1
    program = "COUNT = '''\nimport time\nstart = time.process_time()\nprint(time.process_time() - start)'''"
    assert len(asserted_times(tree(a=program))) == 1
    page = tmp_path / "page.md"
    lines = [
        "see /" + "work/notes",
        "cd /" + "home/me/x",
        "http:" + "//10.0.0.1/simple",
        "runs/work/x and /dev/null, $HOME/work/x",
    ]
    page.write_text("\n".join(lines))
    assert [fault.split(":")[1] for fault in workplace_names([page])] == ["1", "2", "3"]
