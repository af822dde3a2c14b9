"""What an executor is: it takes tasks, runs each of them somewhere, and hands back what became of them.

The loop that decides what to submit, what to try again and when to give up is in `sweeper.launching.drive`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict

__all__ = ["Executor", "Finished", "Options", "Setup", "Task"]


def _silent(_text: str) -> None:
    return None


class Task(Protocol):
    """A picklable value that does its work when it is called; ``note`` tells a person something, where one can be reached."""

    @property
    def name(self) -> str:
        """Say in a few words what the task does, for a dashboard."""

    @property
    def cpus(self) -> float:
        """Return how many processor cores the task occupies."""

    @property
    def gpus(self) -> float:
        """Return how many GPUs the task occupies, where there are any."""

    def __call__(self, note: Callable[[str], None] = ...) -> Any:
        """Do the work and return a small picklable result.

        Raises :class:`sweeper.errors.StoreError` for an unwritable disk.
        """


@dataclass(frozen=True)
class Finished:
    """What became of a task: its ``result``, or the ``error`` that kept it from having one.

    Attributes
    ----------
    final : another attempt would only repeat the error; without it the task is submitted again.
    memory : the error was want of memory: half a block may fit.
    innocent : the task was lost with its machine, perhaps before it had begun: this was no attempt of its own.

    """

    task: Task
    result: Any = None
    error: str | None = None
    final: bool = False
    memory: bool = False
    innocent: bool = False


class Options(BaseModel):
    """The options of an executor: keys of ``compute:`` in a grid. A subclass adds its own as fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Setup:
    """What a launch tells an executor about the tasks to come.

    Attributes
    ----------
    note : say one line to the person who launched.
    gpus : whether no task asks for a GPU, some do, or every one does.
    run, study : names of the run folder and of the study, for a dashboard.

    """

    note: Callable[[str], None] = _silent
    gpus: Literal["none", "some", "every"] = "none"
    run: str = ""
    study: str = ""


class Executor(ABC):
    """Base class of executors. Entering one takes what it needs (a cluster, say); leaving it gives that back.

    Attributes
    ----------
    options_model : the model of its options; a subclass of :class:`Options`, so that a grid can be checked.
    capacity : number of tasks that it wants at hand: those that run, and as many again that wait for a free worker.
    task_seconds : seconds of work that one task should hold, so that handing it over costs little; 0 for one bundle a task.

    """

    options_model: ClassVar[type[Options]] = Options
    capacity: int = 1
    task_seconds: float = 1.0

    def __init__(self, options: Options | None = None, setup: Setup | None = None) -> None:
        self.options: Any = self.options_model() if options is None else options
        self.setup = setup or Setup()

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Take a task and return at once.

        At most :attr:`capacity` tasks are submitted and not yet returned at any time.
        """

    @abstractmethod
    def wait(self) -> Sequence[Finished]:
        """Block until at least one task has ended and return those that have, in any order.

        A worker that dies is an error of the task that it had. Raises :class:`sweeper.errors.StoreError` when a task raised it.
        The method is called only while there are tasks that it has not yet returned.
        """

    def close(self) -> None:  # noqa: B027  most executors have nothing to give back
        """Stop what still runs and release all resources.

        The method is called once, also after an interrupt.
        """

    def show(self, counts: Mapping[str, float]) -> None:  # noqa: B027  nor a dashboard
        """Show how far the launch is: a number for every name in :data:`sweeper.executors.metrics.METRICS`.

        The method is called when the executor has been entered, after every task that ends, and every second by another thread.
        """

    def describe(self) -> str:
        """Say in a few words where tasks run."""
        return type(self).__name__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
