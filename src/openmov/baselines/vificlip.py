"""ViFi-CLIP (Rasheed et al. 2023): both of CLIP's encoders fine-tuned, frame embeddings averaged; no new weights.

Before training it is frozen CLIP. Knows nothing of files.
"""

from collections.abc import Sequence

from openmov.baselines.text_head import TextHeadModel, TrainedNames, text_encoder
from openmov.model.trained import NetworkParts
from openmov.text.vocabulary import Vocabulary
from openmov.types import ClassEmbeddings


class ViFiCLIP(TextHeadModel):
    """`vificlip`. Raises RecipeError for a backbone whose text side cannot be trained."""

    def __init__(self, parts: NetworkParts) -> None:
        super().__init__(parts)
        self.names = TrainedNames(text_encoder(parts), parts.recipe.baselines.prompts)

    def classes(self, vocabulary: Vocabulary, clips: Sequence[str] = ()) -> ClassEmbeddings:
        found: ClassEmbeddings = self.names(vocabulary, clips)
        return found
