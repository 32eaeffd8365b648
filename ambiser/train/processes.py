"""Trains in several processes: each encodes its share of every batch and receives the whole result.

Losses, heads, prototypes, queue and running targets need no distributed code: every process computes them on the whole
batch, from the same numbers. Only the encoders are divided. A share receives its part of the gradient of the whole
loss, so gradients of the encoders are summed, and the training is the same for any number of processes, to rounding.
(torch's DistributedDataParallel averages the losses of shares, but a contrast needs the whole batch; and it fails
where a phase leaves parameters without a gradient.)
"""

import contextlib
import gc
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from ambiser.errors import UserError, first_line
from ambiser.io.console import log
from ambiser.launch.ranks import Place

_PATIENCE = timedelta(minutes=15)
_BUCKET = 2**25  # values per all-reduce


@contextlib.contextmanager
def joined(place: Place, device: torch.device) -> Iterator[None]:
    """Joins this process with the others of a training; does nothing when it is the only one.

    Raises:
        UserError: the other processes cannot be reached.
        SystemExit: another process died; status 1, so that a launcher retries.
    """
    if place.size == 1:
        yield
        return
    if place.rank:
        log.setLevel(logging.ERROR)  # only the first process logs
    _connect(place, device)
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or "/gloo/" in str(error)):
            raise
        who = f"process {place.rank + 1} of {place.size}"
        log.error(f"{who} lost another process ({first_line(error)}); run the same command again to continue")
        raise SystemExit(1) from error
    # Objects that hold a communicator must be collected before it is destroyed, or the process may abort at exit.
    gc.collect()
    distributed.destroy_process_group()


def size() -> int:
    """Returns the number of processes of this training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Returns whether this process writes the files."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


class Divided(nn.Module):
    """An encoder whose batches are divided between the processes of a training.

    Attributes:
        front: the encoder.
    """

    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self.front = front

    def forward(self, batch: Sequence | Tensor) -> object:
        """Encodes a batch.

        Args:
            batch: B inputs of the encoder; only this process's share is read.

        Returns:
            The encoder's output for the whole batch, in every process: (B, ...), or (B, ...) and a (B, T) mask or
            None.
        """
        count = size()
        if count == 1:
            return self.front(batch)
        share = -(-len(batch) // count)
        first = distributed.get_rank() * share
        # A process without a share encodes the last utterance again, and the result is cut off below.
        own = batch[first : first + share] if first < len(batch) else batch[-1:]
        result = self.front(own)
        if isinstance(result, Tensor):
            return _gather(result, share)[: len(batch)]
        features, mask = result
        if mask is None:
            return _gather(features, share)[: len(batch)], None
        # Shares are padded to the longest one of all processes, because gathering needs equal shapes.
        longest = torch.tensor(features.shape[1], device=features.device)
        distributed.all_reduce(longest, distributed.ReduceOp.MAX)
        missing = int(longest) - features.shape[1]
        features = _gather(nn.functional.pad(features, (0, 0, 0, missing)), share)[: len(batch)]
        masks = _gather(nn.functional.pad(mask.to(torch.uint8), (0, missing)), share)[: len(batch)]
        return features, masks.bool()


def sum_gradients(modules: nn.Module) -> None:
    """Gives all processes the gradients of the whole loss; call it after backward.

    Gradients of divided encoders are summed. The others are equal up to rounding, and are averaged to stay equal.
    """
    if size() == 1:
        return
    divided = {id(p) for module in modules.modules() if isinstance(module, Divided) for p in module.parameters()}
    learning = [p for p in modules.parameters() if p.requires_grad]
    # A parameter may lack a gradient in some processes, whose shares did not use it; all must reduce the same ones.
    present = torch.tensor([p.grad is not None for p in learning], dtype=torch.uint8, device=learning[0].device)
    distributed.all_reduce(present, distributed.ReduceOp.MAX)
    used = [p for p, some in zip(learning, present.tolist(), strict=True) if some]
    for parameter in used:
        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    for bucket in _buckets([p.grad for p in used]):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        distributed.all_reduce(flat)
        for gradient, total in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(total.view_as(gradient))
    for parameter in used:
        if id(parameter) not in divided:
            parameter.grad /= size()


def check_same(number: int, what: str) -> None:
    """Checks that all processes have the same number.

    Raises:
        UserError: they differ, as on a file system that shows a file late.
    """
    if size() == 1:
        return
    own = torch.tensor([number])
    if distributed.get_backend() == "nccl":
        own = own.cuda()
    every = [torch.empty_like(own) for _ in range(size())]
    distributed.all_gather(every, own)
    found = [int(item) for item in every]
    if len(set(found)) > 1:
        raise UserError(f"the processes differ in {what}: {found}; run it again when the shared folder shows all files")


def _connect(place: Place, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    try:
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=f"tcp://{place.host}:{place.port}",
            rank=place.rank,
            world_size=place.size,
            timeout=_PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        where = f"{place.host}:{place.port}"
        raise UserError(
            f"process {place.rank + 1} of {place.size} cannot reach the first one at {where}: {first_line(error)}"
        ) from error


class _Gather(torch.autograd.Function):
    """Gathers the rows of all processes, in order; the backward pass keeps the gradient of the own rows."""

    @staticmethod
    def forward(ctx: object, rows: Tensor) -> Tensor:
        ctx.first, ctx.count = distributed.get_rank() * len(rows), len(rows)
        every = [torch.empty_like(rows) for _ in range(size())]
        distributed.all_gather(every, rows.contiguous())
        return torch.cat(every)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient[ctx.first : ctx.first + ctx.count]


def _gather(rows: Tensor, share: int) -> Tensor:
    """Pads rows (n, ...) with zeros to a share, and gathers all shares: (processes * share, ...)."""
    filler = rows.new_zeros(share - len(rows), *rows.shape[1:])
    return _Gather.apply(torch.cat([rows, filler]) if len(filler) else rows)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Groups tensors into buckets: one all-reduce per parameter is slow, and one for all doubles the memory."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(t.numel() for t in bucket) + tensor.numel() > _BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
