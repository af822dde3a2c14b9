"""Pretrained models as cell values: a name stands for files, and equal files are an equal model.

    minilm-l6           a model that ships inside a package
    made:decoder-2x64   an untrained decoder of two layers and width 64, made on this machine
    ./my-model          a folder as transformers writes it (config.json, *.safetensors, tokenizer files), or with one .gguf file
    ./my-model.gguf     a file in GGUF, whose weights are used in float32
    data:models/NAME    such a folder or file in one of the folders of W2S_DATA
    hub:NAME@REVISION   a model of the hub
    hub:NAME@REVISION#1.5B   the same, with its number of weights: it can be planned where the hub does not answer
    run:FOLDER:SIZE     a model that a run pretrained, by the run's folder and a size of its rows (2x64)
    minilm-l6:3         the first three layers of one: a ladder from a single model

Weights are read from safetensors and GGUF alone, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationInfo

from w2s.errors import nearest
from w2s.files.datafile import Content, DataFileError, beside, content_sha256, data_folders
from w2s.files.hub import is_hub_name, snapshot
from w2s.files.unseen import hub_folder, is_unseen, split_stated, unseen_digest
from w2s.finetune.models.made import is_made, made_digest, made_path
from w2s.finetune.models.packaged import PACKAGED, packaged_path
from w2s.finetune.models.run_models import is_run_model, run_model_path, run_name_from

__all__ = ["ModelChain", "ModelFolder", "ModelSet", "split_layers"]

_GGUF = ".gguf"
_TOKENIZERS = ("tokenizer.json", "vocab*", "*.model")
_HASHED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
_OF_THE_HUB = ["*.safetensors", "*.json", "*.txt", "*.model"]


class ModelFolder(Content):
    """A pretrained model, or its first layers; equal weights, configuration, tokenizer and depth mean an equal model."""

    kind: ClassVar[str] = "model"
    what: ClassVar[str] = (
        "model (a packaged name, made:decoder-LxW, a folder, a .gguf file, data:FOLDER, run:FOLDER:SIZE, or "
        "hub:NAME@REVISION; "
        "with :K for its first K layers)"
    )

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the folder or ``.gguf`` file of a model.

        Raises :class:`DataFileError` when there is none, or when its weights are neither safetensors nor GGUF.
        """
        plain, _ = split_layers(name)
        if is_hub_name(plain):
            return hub_folder(plain, lambda place: _checked(plain, snapshot(place, _OF_THE_HUB)))
        if plain.startswith("data:"):
            return _checked(plain, _data_path(plain))
        if is_made(plain):
            return made_path(plain)
        if is_run_model(plain):
            return _checked(plain, run_model_path(plain, base))
        return _checked(plain, packaged_path(plain) or beside(plain, base))

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash weights, configuration and tokenizer by content, and the number of layers."""
        plain, layers = split_layers(name)
        if is_made(plain):
            return made_digest(name)
        if is_unseen(path):
            return unseen_digest(name)
        files = [path]
        if path.suffix != _GGUF:
            files = sorted({item for pattern in _HASHED for item in path.glob(pattern) if item.is_file()})
        # A file in GGUF holds everything, whatever it is called.
        lines = [f"{item.suffix if path.suffix == _GGUF else item.name} {content_sha256(item)}" for item in files]
        return hashlib.sha256("\n".join([*lines, f"layers {layers}"]).encode()).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether the name means the same from any folder."""
        return is_hub_name(name) or name.startswith("data:") or is_made(name) or split_layers(name)[0] in PACKAGED

    @property
    def absent(self) -> bool:
        """Whether no file of the model is here, and its name states its size instead."""
        return is_unseen(self.path)

    @property
    def stated_weights(self) -> float | None:
        """The number of weights that the name states; None where it states none."""
        return split_stated(split_layers(self.name)[0])[1]

    @property
    def is_gguf(self) -> bool:
        """Whether the model is one file in GGUF."""
        return self.path.suffix == _GGUF

    def seen_from(self, folder: Path) -> str:
        """Return the name by which the same model is found from another folder, with its number of layers."""
        place = super().seen_from(folder)
        return place if place == self.name or self.layers is None else f"{place}:{self.layers}"

    @property
    def layers(self) -> int | None:
        """How many layers are kept; None for all."""
        return split_layers(self.name)[1]


class _Models(Content):
    """Several models in one value, joined by a sign; the path is the folder that their names are relative to."""

    kind: ClassVar[str] = "models"
    sign: ClassVar[str]

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Look up every member; return the folder to which they are relative."""
        for member in cls._names(name):
            ModelFolder.locate(member, base)
        return base.resolve()

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash the members' digests."""
        return hashlib.sha256(
            "\n".join(ModelFolder.find(member, path).sha256 for member in cls._names(name)).encode()
        ).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether every member's name means the same from any folder."""
        return all(ModelFolder.keeps_name(member) for member in cls._names(name))

    def seen_from(self, folder: Path) -> str:
        """Join the names by which the members are found from another folder; that of a run's model keeps run and size."""
        return f" {self.sign} ".join(
            run_name_from(member.name, self.path, folder) if is_run_model(member.name) else member.seen_from(folder)
            for member in self.members
        )

    @property
    def members(self) -> tuple[ModelFolder, ...]:
        """The models, in order."""
        return tuple(ModelFolder.find(member, self.path) for member in self._names(self.name))

    @property
    def absent(self) -> bool:
        """Whether the files of a member are not here."""
        return any(member.absent for member in self.members)

    @classmethod
    def _names(cls, name: str) -> list[str]:
        names = [part.strip() for part in name.split(cls.sign)]
        if not all(names):
            raise DataFileError(f"{name!r}: write models joined by {cls.sign}, as in MODEL {cls.sign} MODEL")
        return names


class ModelChain(_Models):
    """Models in a row, weakest first, written ``a > b``: the identity is that of its members, in order."""

    what: ClassVar[str] = "chain of models, weakest first, joined by >"
    sign: ClassVar[str] = ">"


class ModelSet(_Models):
    """Models side by side, a list in a grid, written ``a | b``: the identity is that of its members, in order."""

    what: ClassVar[str] = "list of two or more models"
    sign: ClassVar[str] = "|"

    @classmethod
    def _validate(cls, value: Any, info: ValidationInfo) -> Self:
        if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
            value = f" {cls.sign} ".join(value)
        return super()._validate(value, info)

    @classmethod
    def _names(cls, name: str) -> list[str]:
        names = super()._names(name)
        if len(names) < 2:
            raise DataFileError(f"{name!r} is one model: write it as weak_model, or name two or more in a list")
        return names


def split_layers(name: str) -> tuple[str, int | None]:
    """Split ``name:K`` into name and number of layers."""
    plain, colon, count = name.rpartition(":")
    if colon and count.isdecimal() and plain:
        return plain, int(count)
    return name, None


def _checked(name: str, place: Path) -> Path:
    """Return the folder, if it holds a model as transformers writes it; the ``.gguf`` file, if it is one or holds one."""
    if place.suffix == _GGUF and place.is_file():
        return place
    if not (place / "config.json").is_file():
        if files := sorted(place.glob(f"*{_GGUF}")):
            return _only(name, files)
        hint = _sentence_folder(place) or nearest(name, PACKAGED)
        raise DataFileError(f"model {name}: no config.json in {place}{hint}; packaged models: {', '.join(PACKAGED)}")
    if not list(place.glob("*.safetensors")):
        raise DataFileError(f"model {name}: {place} has no .safetensors; pickled weights are not read")
    if not any(path for pattern in _TOKENIZERS for path in place.glob(pattern)):
        raise DataFileError(f"model {name}: {place} has no tokenizer ({', '.join(_TOKENIZERS)})")
    return place


def _sentence_folder(place: Path) -> str:
    """Say where the model is in a folder of sentence-transformers that keeps it apart from its pooling."""
    inside = sorted(path.parent.name for path in place.glob("*/config.json") if list(path.parent.glob("*.safetensors")))
    if not (place / "modules.json").is_file() or not inside:
        return ""
    return f"; it is a folder of sentence-transformers, whose model is in {place / inside[0]}: name that"


def _only(name: str, files: list[Path]) -> Path:
    if len(files) > 1:
        raise DataFileError(f"model {name}: write which one of {', '.join(file.name for file in files)}")
    return files[0]


def _data_path(name: str) -> Path:
    inside = name.removeprefix("data:").lstrip("/")
    if ".." in Path(inside).parts:
        raise DataFileError(f"model {name}: '..' is not allowed in a data: name")
    for folder in data_folders():
        place = folder / inside
        if (place / "config.json").is_file() or (place.suffix == _GGUF and place.is_file()) or list(place.glob(f"*{_GGUF}")):
            return place
    searched = ", ".join(map(str, data_folders())) or "nowhere (W2S_DATA is not set)"
    raise DataFileError(f"model {name}: no folder {inside} with a config.json in {searched}; put it there, or set W2S_DATA")
