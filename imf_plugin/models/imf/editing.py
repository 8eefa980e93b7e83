"""Latent editing: a small network that changes a token as named controls are changed."""

import torch
from torch import Tensor, nn

WIDTH = 96


class TokenEditor(nn.Module):
    """Gives the token of the same subject with its controls changed by so much.

    Args:
        token_dim: Numbers of a token.
        controls: Number of named controls; their changes are in shares of their ranges.
    """

    def __init__(self, token_dim: int, controls: int) -> None:
        super().__init__()
        self.linear = nn.Linear(controls, token_dim, bias=False)
        self.inner = nn.Linear(token_dim + controls, WIDTH)
        # Multiplied by the change, so that no change leaves every token as it is.
        self.outer = nn.Linear(WIDTH, token_dim * controls)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, tokens: Tensor, changes: Tensor) -> Tensor:
        """Return edited tokens ``[B, D]`` of tokens ``[B, D]`` and changes ``[B, C]``."""
        hidden = torch.tanh(self.inner(torch.cat([tokens, changes], 1)))
        rows = self.outer(hidden).reshape(len(tokens), -1, changes.shape[1])
        bent = (rows @ changes[:, :, None])[..., 0]
        edited: Tensor = tokens + self.linear(changes) + bent
        return edited
