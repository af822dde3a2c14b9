"""What can run now: artifacts whose inputs are finished, bundles of blocks whose artifacts are. Pure bookkeeping."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from sweeper.plan.bundle import Bundle
from w2s.artifacts import Call, in_order
from w2s.contract.block import Block

__all__ = ["Schedule"]


class Schedule:
    """Bundles in plan order and the calls they wait for, each call once, whatever the number of blocks that need it.

    Parameters
    ----------
    bundles : what is to be solved; the blocks of one bundle start together.
    needs : the calls of a block, as :meth:`w2s.contract.study.Study.needs` gives them.
    finished : whether a call's value is in the store already.
    describe : what a call that a block needs is called, for a person.

    Attributes
    ----------
    bundles : bundles that can be solved now, without the blocks that a failed call has closed.
    calls : a heap of the calls that can be made now, by rank and key: those of early blocks first, so that rows come early.
    owner : for each call a block that needs it, from which a worker derives the call again.

    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        needs: Callable[[Block], Iterable[Call]],
        finished: Callable[[Call], bool],
        describe: Callable[[Call, Block], str] = lambda _call, _block: "",
    ) -> None:
        self.bundles: deque[Bundle] = deque()
        self.calls: list[tuple[int, str]] = []
        self.owner: dict[str, Block] = {}
        self.by_key: dict[str, Call] = {}
        self._describe = describe
        self._rank: dict[str, int] = {}
        self._needed_by: dict[str, list[str]] = {}
        self._open_inputs: dict[str, int] = {}
        self._needed_in: dict[str, list[tuple[int, Block]]] = {}
        self._waiting: list[list[Block]] = [list(bundle) for bundle in bundles]
        self._open_calls: list[set[str]] = []
        self._errors: dict[str, str] = {}
        known: dict[str, bool] = {}

        def done(call: Call) -> bool:
            if call.key not in known:
                known[call.key] = finished(call)
            return known[call.key]

        for place, bundle in enumerate(bundles):
            self._open_calls.append(set())
            for block in bundle:
                for call in in_order(needs(block), done):
                    self._add(call, block, done)
                    self._needed_in.setdefault(call.key, []).append((place, block))
                    self._open_calls[place].add(call.key)
            self._release(place)

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

    def _release(self, place: int) -> None:
        """Move a bundle to the ones that can run, once nothing that it needs is missing."""
        if self._waiting[place] and not self._open_calls[place]:
            self.bundles.append(tuple(self._waiting[place]))
            self._waiting[place] = []

    def next_call(self) -> str:
        """Take the key of the call that the earliest block waits for. IndexError when there is none."""
        return heapq.heappop(self.calls)[1]

    def words(self, key: str) -> str:
        """Return what the making of a call is called."""
        return self._describe(self.by_key[key], self.owner[key])

    @property
    def missing(self) -> int:
        """How many calls are or were to be made."""
        return len(self.by_key)

    def succeeded(self, key: str) -> None:
        """Release the blocks that waited for a call whose value is now in the store."""
        for waiting in self._needed_by.get(key, ()):
            self._open_inputs[waiting] -= 1
            if self._open_inputs[waiting] == 0 and waiting not in self._errors:
                self._ready(waiting)
        for place in dict.fromkeys(place for place, _ in self._needed_in.get(key, ())):
            self._open_calls[place].discard(key)
            self._release(place)

    def failed(self, key: str, error: str) -> list[Block]:
        """Give up everything that needs a call that failed; return the blocks that can never be solved, each once.

        The other blocks of their bundles stay.
        """
        lost: list[Block] = []
        touched: dict[int, None] = {}
        stack = [key]
        while stack:
            name = stack.pop()
            if name in self._errors:
                continue
            self._errors[name] = error
            stack += self._needed_by.get(name, ())
            for place, block in self._needed_in.get(name, ()):
                touched[place] = None
                self._open_calls[place].discard(name)
                if any(block is waiting for waiting in self._waiting[place]):
                    self._waiting[place] = [waiting for waiting in self._waiting[place] if waiting is not block]
                    lost.append(block)
        for place in touched:
            self._release(place)
        return lost
