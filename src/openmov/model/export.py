"""A trained network as one function of tensors alone, for programs without openmov: what is exported.

    video, flow, audio --encoders, heads, fusion--> embeddings [--fixed class names--> probabilities]

Every clip has all of the chosen modalities, and a row is one view: nothing branches on what a tensor holds, so that the
function can be traced. Names are vectors that are part of it. Knows nothing of files and formats.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from openmov.model.encoders import FrameEncoder
from openmov.model.joint import JointModel
from openmov.types import JointEmbeddings, Modality

FROZEN = "frozen"


class Exportable(nn.Module):
    """Takes over `network`; its inputs are those of `modalities`, in that order.

    Answers with the fused embedding of each modality, normalised, then, where the network has one, the frozen video's
    frame average, and, where there are `classes`, the probabilities: the sum of `answers` (stream, temperature, weight)
    of softmax(cos / temperature).
    """

    classes: Tensor

    def __init__(
        self,
        network: JointModel,
        modalities: Sequence[Modality],
        classes: Float[Tensor, "classes dim"] | None = None,
        answers: Sequence[tuple[str, float, float]] = (),
    ) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.modalities, self.answers = tuple(modalities), tuple(answers)
        for module in network.modules():
            if isinstance(module, FrameEncoder):
                module.chunk = None
        self.register_buffer("classes", torch.zeros(0, network.dim) if classes is None else classes.clone())

    def forward(self, *inputs: Float[Tensor, "rows ..."]) -> tuple[Tensor, ...]:
        streams = self.streams(self._embeddings(inputs))
        if not self.answers:
            return tuple(streams.values())
        parts = [
            weight * torch.softmax(streams[name] @ self.classes.T / tau, dim=-1) for name, tau, weight in self.answers
        ]
        return (*streams.values(), torch.stack(parts).sum(dim=0))

    def _embeddings(self, inputs: Sequence[Float[Tensor, "rows ..."]]) -> JointEmbeddings:
        given = dict(zip(self.modalities, inputs, strict=True))
        frames = {m: self.network.encode_inputs(m, given[m]) for m in Modality if m in given}
        present = {m: torch.ones(rows.shape[0], dtype=torch.bool, device=rows.device) for m, rows in frames.items()}
        return self.network.join(frames, present)

    @staticmethod
    def streams(embeddings: JointEmbeddings) -> Mapping[str, Float[Tensor, "rows dim"]]:
        """By name, unit rows."""
        found = {str(modality): F.normalize(rows, dim=-1) for modality, rows in embeddings.fused.items()}
        if embeddings.frozen is not None:
            found[FROZEN] = F.normalize(embeddings.frozen, dim=-1)
        return found
