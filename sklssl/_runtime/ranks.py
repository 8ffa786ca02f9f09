"""The processes of a distributed run, each of which calls the same ``fit``."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist
from joblib.parallel import get_active_backend
from torch import Tensor

from sklssl.exceptions import DistributedError

__all__ = [
    "Ranks",
    "Share",
    "alone",
    "current_ranks",
    "current_share",
    "fewest_and_most",
    "fit_together",
    "per_image",
    "share_of",
]

_T = TypeVar("_T")

_GRACE = 10.0  # seconds in which the other processes say that they have failed, too
_AGREEMENT = 2.0  # seconds in which all of them do, if it is for the same reason
_EXCHANGE_ERRORS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")


@dataclass(frozen=True)
class Ranks:
    """The processes that compute together, of which this one has a rank; by default only one."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process shows the progress, calls callbacks and writes checkpoints."""
        return self.rank == 0

    def share(self, value: _T) -> _T:
        """Return the value of the first process."""
        box = [value]
        if self.size > 1:
            dist.broadcast_object_list(box)
        return value if self.leads else box[0]

    def collect(self, value: _T) -> list[_T]:
        """Return the values of all processes."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether that of any process is true."""
        if self.size > 1:
            totals = torch.tensor(flags, dtype=torch.int64)
            dist.all_reduce(totals)
            flags = tuple(total > 0 for total in totals.tolist())
        return flags

    def part(self, n_rows: int) -> Share:
        """Return the share of this process in the rows of a batch."""
        few, n_larger = divmod(n_rows, self.size)
        first = self.rank * few + min(self.rank, n_larger)
        return Share(first, few + (self.rank < n_larger), n_rows, self.size)


class Share(NamedTuple):
    """The rows of a batch that belong to this process."""

    first: int
    n_here: int
    n_all: int
    n_ranks: int

    @property
    def rows(self) -> slice:
        """The rows of this process in the batch."""
        return slice(self.first, self.first + self.n_here)


# Per thread, as several estimators may be fitted at a time.
_local = threading.local()
_together = threading.Lock()  # held by the thread that fits together with other processes


def current_ranks() -> Ranks:
    """Return the processes that fit together; outside a fit, those of torch's process group."""
    ranks: Ranks | None = getattr(_local, "ranks", None)
    if ranks is not None:
        return ranks
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size())
    return Ranks()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let this process compute by itself within the block, even in a distributed run."""
    with _ranks_being(Ranks()):
        yield


@contextlib.contextmanager
def _ranks_being(ranks: Ranks) -> Iterator[Ranks]:
    before, _local.ranks = getattr(_local, "ranks", None), ranks
    try:
        yield ranks
    finally:
        _local.ranks = before


# The batch of a step ----------------------------------------------------------------------------


@contextlib.contextmanager
def share_of(share: Share) -> Iterator[None]:
    """Draw random numbers for the images of all processes within the block; see `per_image`."""
    _local.share = share if share.n_ranks > 1 else None
    try:
        yield
    finally:
        _local.share = None


def current_share() -> Share | None:
    """Return the share of this process in the batch, if other processes have some of it."""
    share: Share | None = getattr(_local, "share", None)
    return share


def fewest_and_most(n_rows: int) -> tuple[int, int]:
    """Return how many rows a process has, at least and at most, if this one has `n_rows`.

    They are one or several times the images of the process in a batch.
    """
    share = current_share()
    if share is None:
        return n_rows, n_rows
    few, n_larger = divmod(share.n_all, share.n_ranks)
    n_copies = n_rows // share.n_here
    return n_copies * few, n_copies * (few + (n_larger > 0))


def per_image(draw: Callable[[int], Tensor], n_images: int) -> Tensor:
    """Return ``draw(n_images)``, random numbers for images, whatever the number of processes.

    In a distributed run, the numbers are drawn for the batch of all processes, of which those for
    the images of this process are returned.

    Parameters
    ----------
    draw : callable
        ``draw(n)`` returns a tensor of shape (n, ...).
    n_images : int
        The number of images of this process, or a multiple of it for several copies of them.
    """
    share = current_share()
    if share is None or n_images % share.n_here:
        return draw(n_images)
    n_copies = n_images // share.n_here
    drawn = draw(n_copies * share.n_all).unflatten(0, (n_copies, share.n_all))
    return drawn.narrow(1, share.first, share.n_here).flatten(0, 1)


# Joining and leaving ----------------------------------------------------------------------------


@contextlib.contextmanager
def fit_together(owner: str) -> Iterator[Ranks]:
    """Let the processes of a distributed run compute together within the block.

    If one of them fails, the others fail too, with an error that names it, instead of waiting for
    it. A fit within a fit belongs to the outer one.

    Parameters
    ----------
    owner : str
        The name of the estimator, for messages.

    Raises
    ------
    DistributedError
        If another process fails.
    """
    ranks: Ranks | None = getattr(_local, "ranks", None)
    if ranks is not None:
        yield ranks
        return
    with contextlib.ExitStack() as stack:
        ranks = Ranks()
        if _takes_part() and _together.acquire(blocking=False):
            stack.callback(_together.release)
            ranks = stack.enter_context(_group(owner))
        yield stack.enter_context(_ranks_being(ranks))


def _takes_part() -> bool:
    """Return whether this process is one of several of a distributed run, outside joblib."""
    if not dist.is_available() or get_active_backend()[0].nesting_level:
        return False
    if dist.is_initialized():
        return dist.get_world_size() > 1
    # A process that was started by one of the run inherits its environment.
    launched = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    own = multiprocessing.parent_process() is None
    return launched and own and int(os.environ["WORLD_SIZE"]) > 1


@contextlib.contextmanager
def _group(owner: str) -> Iterator[Ranks]:
    """Open torch's process group for the block, unless the user has done so."""
    opened = not dist.is_initialized()
    store = _open_group() if opened else dist.distributed_c10d._get_default_store()
    # Keys of earlier fits must not be taken for those of this one.
    store = dist.PrefixStore(f"sklssl/{next(_numbers)}", store)
    _check_backend(owner)
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    try:
        yield ranks
    except BaseException as error:
        failures = _Failures(store, ranks)
        own = None if _is_of_exchange(error) else f"{type(error).__name__}: {error}"
        failures.tell(own)
        # A group of the user stays open if no process can be waiting for this one.
        if opened or own is None or not failures.are_those_of_all():
            _close_group(error)
        if own is None:
            raise DistributedError(f"{owner}: {failures.find_first()}") from error
        raise
    if opened:
        dist.destroy_process_group()


def _close_group(error: BaseException) -> None:
    """Close the connections, which wakes up the processes that wait for this one."""
    # They stay open as long as anything refers to the group, as the frames of the error do.
    for cause in _chain(error):
        traceback.clear_frames(cause.__traceback__)
    gc.collect()
    dist.destroy_process_group()


_numbers = itertools.count()  # of the fits of this process


def _open_group() -> dist.Store:
    store, rank, size = _rendezvous()
    store = dist.PrefixStore(f"sklssl/group/{next(_numbers)}", store)
    dist.init_process_group(store=store, rank=rank, world_size=size)
    return store


@functools.cache
def _rendezvous() -> tuple[dist.Store, int, int]:
    """Return the store where the launched processes meet, and the rank and their number."""
    from torch.distributed.rendezvous import rendezvous  # missing in some builds of torch

    return next(iter(rendezvous("env://")))


def _check_backend(owner: str) -> None:
    backends = dist.get_backend_config()
    if "cpu" not in backends and "gloo" not in backends:
        raise ValueError(
            f"{owner}: the process group exchanges tensors of a GPU only ({backends}). Leave out "
            "the backend of torch.distributed.init_process_group, or set it to "
            "'cpu:gloo,cuda:nccl'."
        )


class _Failures:
    """What the processes tell each other about how they failed."""

    def __init__(self, store: dist.Store, ranks: Ranks) -> None:
        self.store, self.ranks = store, ranks

    def tell(self, own: str | None) -> None:
        """Tell the others what failed here, or None if it was an exchange with them."""
        with contextlib.suppress(RuntimeError):  # the process with the store is gone, too
            self.store.set(self._key(self.ranks.rank), own or "")

    def are_those_of_all(self) -> bool:
        """Return whether every process has failed by itself, as all of them do for invalid data."""
        end = time.monotonic() + _AGREEMENT
        keys = [self._key(rank) for rank in range(self.ranks.size)]
        with contextlib.suppress(RuntimeError):
            while time.monotonic() < end:
                if self.store.check(keys):
                    return all(map(self.store.get, keys))
                time.sleep(0.01)
        return False

    def find_first(self) -> str:
        """Return which process failed by itself, or ended without a word."""
        try:
            return self._find_first()
        except RuntimeError:
            return "rank 0, where the others meet, or the launcher has ended."

    def _find_first(self) -> str:
        others = [rank for rank in range(self.ranks.size) if rank != self.ranks.rank]
        told: dict[int, str] = {}
        end = time.monotonic() + _GRACE
        while len(told) < len(others) and not any(told.values()) and time.monotonic() < end:
            for rank in set(others) - set(told):
                if self.store.check([self._key(rank)]):
                    told[rank] = self.store.get(self._key(rank)).decode()
            time.sleep(0.01)
        size, failed = self.ranks.size, [rank for rank in others if told.get(rank)]
        if failed:
            return f"rank {failed[0]} of {size} failed: {told[failed[0]]}"
        silent = ", ".join(str(rank) for rank in others if rank not in told)
        if silent:
            return f"rank {silent} of {size} ended, or does not answer: was it killed?"
        return "the connection between the processes was lost."

    @staticmethod
    def _key(rank: int) -> str:
        return f"failed/{rank}"


def _is_of_exchange(error: BaseException) -> bool:
    """Return whether an exchange between processes failed, maybe as the cause of the error."""
    return any(
        isinstance(cause, dist.DistError)
        or (
            isinstance(cause, RuntimeError)
            and any(part in str(cause).lower() for part in _EXCHANGE_ERRORS)
        )
        for cause in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
