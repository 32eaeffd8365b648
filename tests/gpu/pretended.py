"""A pretended GPU: tensors that say they are on "cuda", compute on the CPU, and refuse to be mixed with CPU tensors.

A real GPU refuses the same mixtures, so a forgotten `.to(device)` fails on machines without one. Values are real, so
code that depends on them runs too, and results can be compared with those of a CPU. Torch sees the device "meta", whose
gradients need no driver; Python code that asks sees "cuda".
"""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

from ambiser.features.upstreams import finetune, text_encoders, upstream

CUDA, _OWN = torch.device("cuda", 0), torch.device("meta")
_ATEN = torch.ops.aten
# Indexing a CUDA tensor with CPU indices is allowed, and so are copies; the reverse is not.
_INDEXING = {_ATEN.index.Tensor, _ATEN.index_put.default, _ATEN.index_put_.default, _ATEN._index_put_impl_.default}
_COPYING = {_ATEN.copy_.default, _ATEN._to_copy.default, _ATEN._foreach_copy_.default}
# A CPU tensor without dimensions counts as a number in arithmetic; these read memory.
_READING = {_ATEN.cat.default, _ATEN.stack.default, _ATEN.index_select.default, _ATEN.gather.default}
_LOADING = (
    (upstream, "_construct"),
    (upstream, "check_hugging_face_weights"),
    (text_encoders, "load_text_model"),
    (finetune, "load_text_model"),
)


class MixedDevices(RuntimeError):
    """Tensors of the CPU and of the pretended GPU met in one operation."""


class Pretended(torch.Tensor):
    """A tensor on the pretended GPU; `inner` holds its values on the CPU."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Pretended":
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=_OWN,
            requires_grad=False,
        )

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def __repr__(self, **_: object) -> str:
        return f"Pretended({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """Runs every operation on the CPU and checks the devices of its arguments."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the compiler is not used here, and its import takes seconds

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Lets Python code see and name the pretended GPU as "cuda"."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func == torch.Tensor.device.__get__:
            found = func(*args)
            return CUDA if found.type == "meta" else found
        if func == torch.Tensor.is_cuda.__get__:
            return isinstance(args[0], Pretended)
        if func is torch.Tensor.numpy and isinstance(args[0], Pretended):
            raise MixedDevices("numpy() of a tensor on the GPU; use .cpu() first")
        if func is torch.Tensor.tolist and isinstance(args[0], Pretended):
            return args[0].inner.tolist()
        if func is torch.Tensor.cuda:
            return args[0].to(_OWN)
        if func is torch.Tensor.to:
            args = (args[0], *map(_translated, args[1:]))
        if "device" in kwargs:
            kwargs["device"] = _translated(kwargs["device"])
            if func in (torch.tensor, torch.as_tensor) and kwargs["device"] == _OWN:
                del kwargs["device"]
                return func(*args, **kwargs).to(_OWN)  # torch.tensor drops the values of a meta tensor
        return func(*args, **kwargs)


@contextlib.contextmanager
def pretended_gpu(monkeypatch) -> Iterator[None]:
    """Gives torch a GPU inside the block; tensors that were made in it are of no use after it."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_rng_state_all", list)
        patch.setattr(torch.cuda, "set_rng_state_all", lambda states: None)
        # With a CUDA build of torch, Adam asks the driver whether a stream is being captured.
        patch.setattr(torch.optim.Optimizer, "_accelerator_graph_capture_health_check", lambda self: None)
        patch.setattr(torch, "inference_mode", torch.no_grad)  # its tensors cannot be wrapped
        # Transformers builds models on the device "meta" before it reads their weights.
        for module, name in _LOADING:
            patch.setattr(module, name, _without_gpu(getattr(module, name)))
        with _Operations(), _Names():
            yield


def _without_gpu(load: Callable) -> Callable:
    """Returns a function that loads a model onto the CPU as if there were no pretended GPU."""

    def loaded(*args: object) -> object:
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            return load(*args)

    return loaded


def _translated(value: object) -> object:
    """Replaces the name of the pretended GPU by what torch sees."""
    if isinstance(value, torch.device) and value.type == "cuda":
        return _OWN
    return _OWN if isinstance(value, str) and value.partition(":")[0] == "cuda" else value


def _run(func: Callable, args: tuple, kwargs: dict) -> object:
    """Runs an operation on the values, and puts its result on the device that a GPU would give it.

    Raises:
        MixedDevices: the arguments are on different devices.
    """
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    ours = [value for value in tensors if isinstance(value, Pretended)]
    wanted = kwargs.get("device")
    to_gpu = bool(ours) if wanted is None else torch.device(wanted).type == "meta"
    _check(func, args, kwargs, tensors)
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if "pin_memory" in kwargs:
        kwargs = {**kwargs, "pin_memory": None}
    if func is _ATEN.copy_.default and not isinstance(args[0], Pretended):
        to_gpu = False
    wrappers = {id(value.inner): value for value in ours}
    made = func(*tree_map(_values, args), **tree_map(_values, kwargs))
    if not to_gpu:
        return made

    def wrap(value: object) -> object:
        if not isinstance(value, torch.Tensor):
            return value
        return wrappers[id(value)] if id(value) in wrappers else Pretended(value)

    wrapped = tree_map(wrap, made)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if ours else wrapped


def _values(value: object) -> object:
    return value.inner if isinstance(value, Pretended) else value


def _check(func: Callable, args: tuple, kwargs: dict, tensors: list[torch.Tensor]) -> None:
    """Checks that no tensor of the CPU meets one of the GPU where a GPU would refuse."""
    own = [isinstance(value, Pretended) for value in tensors]
    generator = kwargs.get("generator")
    if generator is not None and generator.device.type == "cpu":
        on_gpu = any(own) or _translated(kwargs.get("device")) == _OWN
        if on_gpu:
            raise MixedDevices(f"{func}: a generator of the CPU draws on the GPU")
    if func in _COPYING or all(own) or not any(own):
        return
    if func in _INDEXING:
        first, *others = args[0], *args[2:3]  # what is indexed, and the values that are put there
        tensors = [first, *others] if isinstance(first, Pretended) else tensors
    numbers = () if func in _READING else [value for value in tensors if value.dim() == 0]
    strangers = [v for v in tensors if not isinstance(v, Pretended) and not any(v is number for number in numbers)]
    if strangers:
        shapes = ", ".join(f"{tuple(v.shape)} on {'GPU' if isinstance(v, Pretended) else 'CPU'}" for v in tensors)
        raise MixedDevices(f"{func}: {shapes}")
