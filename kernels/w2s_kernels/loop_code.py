"""Machine code of the loops that are kept: Numba compiles each for one thread, and LLVM writes all into one object file.

Of what Numba makes of a function only the function itself stays; its wrappers for Python, which need Numba's runtime, are
left out. So a loop must allocate nothing. Importing this needs Numba.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm
from numba import njit

from .loop_files import OUTSIDE

__all__ = ["made"]

# Numba's functions give back the arrays that they were given to an owner. Ours have none, so this is never called.
_NO_OWNER = "define void @NRT_MemInfo_call_dtor(ptr %0) {\n  ret void\n}\n"


def made(loops: Mapping[str, tuple[ModuleType, str, Sequence[str]]]) -> tuple[dict[str, str], bytes]:
    """Compile loops, by key (module, name, types of arguments); return their symbols and one object file, in some 10 s.

    Raises
    ------
    ValueError : for a loop that calls what is not there without Numba.
    """
    symbols: dict[str, str] = {}
    whole: Any = None
    machine: Any = None
    for key, (module, name, types) in loops.items():
        symbols[key], library = _compiled(getattr(module, name), types)
        machine = library.codegen._tm
        part = llvm.parse_assembly(str(library._final_module))
        part.link_in(llvm.parse_assembly(_NO_OWNER))
        _keep_only(part, symbols[key], machine)
        missing = [f.name for f in part.functions if f.is_declaration and not f.name.startswith("llvm.")]
        if set(missing) - set(OUTSIDE):
            raise ValueError(f"the loop {key} calls {', '.join(missing)}")
        if whole is None:
            whole = part
        else:
            whole.link_in(part)
    return symbols, machine.emit_object(whole)


def _compiled(source: Any, types: Sequence[str]) -> tuple[str, Any]:
    """Return the symbol of a function, compiled for one thread, and the library that holds it."""
    options = {name: value for name, value in source.targetoptions.items() if name not in ("nopython", "parallel")}
    function = njit(f"void({', '.join(types)})", **options)(source.py_func)
    (found,) = function.overloads.values()
    return found.fndesc.mangled_name, found.library


def _keep_only(module: Any, name: str, machine: Any) -> None:
    """Take out of a module all that the function of this name does not reach."""
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != name:
            item.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.PipelineTuningOptions(speed_level=0)))
