"""Rhythm of a segment from its embedding by a frozen foundation model.

Shape suffixes: B batch, E embedding, K classes.
"""

from typing import cast

from torch import Tensor, nn


class ChronosMLP(nn.Module):
    """Name a segment from its embedding: the trained part behind `ecgfeat.arena.chronos.embed`, which is not trained.

    Parameters
    ----------
    embedding : int
        Width of the embedding; that of Chronos-2 is 768.
    hidden : int
        Width of the hidden layer.
    num_classes : int
        Number of classes.
    dropout : float
        Dropout probability before the last layer, in [0, 1).

    Notes
    -----
    * Nothing is published of it but "frozen embeddings and an MLP", and its macro F1 of 0.299: the one hidden layer and
      its width are chosen here, and so is the normalisation in front, as embeddings have no scale of their own.
    """

    def __init__(self, embedding: int = 768, hidden: int = 256, num_classes: int = 6, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(embedding),
            nn.Linear(embedding, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, embedding_BE: Tensor) -> Tensor:
        """Return the logits of each segment.

        Parameters
        ----------
        embedding_BE : Tensor, (B, E) float32
            What `ecgfeat.arena.chronos.embed` returns.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.
        """
        return cast(Tensor, self.layers(embedding_BE))
