"""Names the parts of an IPR checkpoint: network, memory, momentum encoder (key) and queue."""

from dataclasses import dataclass

from torch import Tensor, nn

from ambiser.models.encoder import IprNetwork
from ambiser.models.gaussian import GaussianPrototypes
from ambiser.models.momentum import KeyQueue
from ambiser.models.prototypes import PrototypeMemory

GAUSSIAN = "gaussian"
"""The name of the Gaussian prototypes, which join the modules of a stage later."""
MEAN_PREDICTION = "mean_prediction"
"""The name of the running mean of `ipr.class_shares`, which joins them later too."""
_NETWORK, _MEMORY, _KEY, _QUEUE = "network", "memory", "key", "queue"


def join_modules(
    network: IprNetwork, memory: PrototypeMemory, key: IprNetwork | None = None, queue: KeyQueue | None = None
) -> nn.ModuleDict:
    """Joins the modules of an IPR stage under the names that `IprCheckpoint` reads."""
    named = {_NETWORK: network, _MEMORY: memory, _KEY: key, _QUEUE: queue}
    return nn.ModuleDict({name: module for name, module in named.items() if module is not None})


@dataclass(frozen=True)
class IprCheckpoint:
    """The tensors of an IPR stage, as its best.safetensors holds them."""

    tensors: dict[str, Tensor]

    @property
    def prototypes(self) -> Tensor:
        """The prototypes (C, P)."""
        return self.tensors[f"{_MEMORY}.prototypes"]

    def gaussian(self) -> GaussianPrototypes:
        """Returns the Gaussian prototypes; `ipr.predict_by` tells whether there are any."""
        prefix = f"{GAUSSIAN}."
        state = {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}
        made = GaussianPrototypes(*state["axes"].shape, len(state["means"]))
        made.load_state_dict(state)
        return made

    def network(self) -> dict[str, Tensor]:
        """Returns the state of the network."""
        prefix = f"{_NETWORK}."
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def load_into(self, modules: nn.ModuleDict) -> None:
        """Loads everything except the queue, whose keys belong to the stage that pushed them."""
        kept = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(f"{_QUEUE}.")}
        modules.load_state_dict(kept, strict=False)  # phase 1 leaves no momentum encoder, and a shared one has none
