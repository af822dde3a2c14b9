"""What can run now: artifacts whose inputs are finished, blocks whose artifacts are. Pure bookkeeping, shared by executors."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from w2s.artifacts import Call, in_order
from w2s.contract.block import Block

__all__ = ["Schedule"]


class Schedule:
    """Blocks in plan order and the calls they wait for, each call once, whatever the number of blocks that need it.

    Parameters
    ----------
    blocks : what is to be solved.
    needs : the calls of a block, as :meth:`w2s.contract.study.Study.needs` gives them.
    finished : whether a call's value is in the store already.
    bundles : blocks that one worker solves together, for a study without artifacts; they stand together in ``blocks``.

    Attributes
    ----------
    blocks : blocks that can be solved now.
    calls : a heap of the calls that can be made now, by rank and key: those of early blocks first, so that rows come early.
    owner : for each call a block that needs it, from which a worker derives the call again.

    """

    def __init__(
        self,
        blocks: Sequence[Block],
        needs: Callable[[Block], Iterable[Call]],
        finished: Callable[[Call], bool],
        bundles: Sequence[Sequence[Block]] = (),
    ) -> None:
        self.blocks: deque[Block] = deque()
        self.calls: list[tuple[int, str]] = []
        self.owner: dict[str, Block] = {}
        self.by_key: dict[str, Call] = {}
        self._rank: dict[str, int] = {}
        self._needed_by: dict[str, list[str]] = {}
        self._open_inputs: dict[str, int] = {}
        self._blocks_of: dict[str, list[int]] = {}
        self._open_calls: dict[int, int] = {}
        self._all = list(blocks)
        self._closed: set[int] = set()
        self._errors: dict[str, str] = {}
        self._bundle = {id(block): place for place, bundle in enumerate(bundles) for block in bundle}
        known: dict[str, bool] = {}

        def done(call: Call) -> bool:
            if call.key not in known:
                known[call.key] = finished(call)
            return known[call.key]

        for place, block in enumerate(self._all):
            missing = in_order(needs(block), done)
            for call in missing:
                self._add(call, block, done)
            self._open_calls[place] = len(missing)
            for call in missing:
                self._blocks_of.setdefault(call.key, []).append(place)
            if not missing:
                self.blocks.append(block)

    def next_bundle(self) -> tuple[Block, ...]:
        """Take the first block and those after it that are in its bundle. IndexError when there is none."""
        taken = [self.blocks.popleft()]
        bundle = self._bundle.get(id(taken[0]))
        while bundle is not None and self.blocks and self._bundle.get(id(self.blocks[0])) == bundle:
            taken.append(self.blocks.popleft())
        return tuple(taken)

    def _add(self, call: Call, block: Block, done: Callable[[Call], bool]) -> None:
        if call.key in self.by_key:
            return
        self.by_key[call.key], self.owner[call.key], self._rank[call.key] = call, block, len(self._rank)
        inputs = [needed.key for needed in call.inputs if not done(needed)]
        self._open_inputs[call.key] = len(inputs)
        for key in inputs:
            self._needed_by.setdefault(key, []).append(call.key)
        if not inputs:
            self._ready(call.key)

    def _ready(self, key: str) -> None:
        heapq.heappush(self.calls, (self._rank[key], key))

    def next_call(self) -> str:
        """Take the key of the call that the earliest block waits for. IndexError when there is none."""
        return heapq.heappop(self.calls)[1]

    @property
    def missing(self) -> int:
        """How many calls are or were to be made."""
        return len(self.by_key)

    def succeeded(self, key: str) -> None:
        """A call's value is in the store: free what waited for it."""
        for waiting in self._needed_by.get(key, ()):
            self._open_inputs[waiting] -= 1
            if self._open_inputs[waiting] == 0 and waiting not in self._errors:
                self._ready(waiting)
        for place in self._blocks_of.get(key, ()):
            self._open_calls[place] -= 1
            if self._open_calls[place] == 0 and place not in self._closed:
                self.blocks.append(self._all[place])

    def failed(self, key: str, error: str) -> list[Block]:
        """Close everything that needs a call that failed; return the blocks that can never be solved, each once."""
        lost: list[Block] = []
        stack = [key]
        while stack:
            name = stack.pop()
            if name in self._errors:
                continue
            self._errors[name] = error
            stack += self._needed_by.get(name, ())
            for place in self._blocks_of.get(name, ()):
                if place not in self._closed:
                    self._closed.add(place)
                    lost.append(self._all[place])
        return lost
