"""Users whose simulation raised: which one it was, and why."""

from __future__ import annotations

import traceback

import torch


class UserFailed(Exception):  # noqa: N818 - it says what happened
    """What a strategy or a fine-tuning raised for one user (its `__cause__`)."""

    def __init__(self, user_id: int, cause: BaseException) -> None:
        super().__init__(reason(cause))
        self.user_id, self.__cause__ = user_id, cause


def of_the_machine(error: BaseException) -> bool:
    """Whether an error is the machine's and no user's: memory ran out, or a GPU failed and will fail from now on."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    of_torch = ("CUDA error", "cuDNN error", "DefaultCPUAllocator")  # which have no class of their own
    return any(said in str(error) for said in of_torch)


def reason(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def trace(failure: UserFailed) -> str:
    """The traceback of what was raised; empty where nothing was, but the failure follows from another."""
    cause = failure.__cause__
    assert cause is not None
    return "".join(traceback.format_exception(cause)) if cause.__traceback__ else ""
