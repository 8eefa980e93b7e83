"""The adversarial part of retargeting: a patch discriminator that learns beside the model."""

import torch
from torch import Tensor

from imf_plugin.models.imf.discriminator import (
    PatchDiscriminator,
    hinge_judge_loss,
    hinge_maker_loss,
)
from imf_plugin.training.run_state import below, optimiser_tensors, resume_optimiser

PREFIX = "judge."
_OPTIMISER = "judge_adam."


class Adversary:
    """Judges shown pictures, and learns to tell them from real ones.

    Args:
        widths: Channels of the discriminator; the paper's are too many for a CPU.
        learning_rate: Of the discriminator.
    """

    def __init__(self, widths: tuple[int, ...], learning_rate: float) -> None:
        self.judge = PatchDiscriminator(widths)
        self._optimiser = torch.optim.Adam(
            self.judge.parameters(), lr=learning_rate, betas=(0.5, 0.999)
        )

    def loss(self, shown: Tensor) -> Tensor:
        """Return what the model is to minimise, of pictures ``[B, 3, S, S]``."""
        return hinge_maker_loss(self.judge(shown))

    def learn(self, real: Tensor, shown: Tensor) -> float:
        """Take one step and return the discriminator's loss before it."""
        loss = hinge_judge_loss(self.judge(real), self.judge(shown.detach()))
        # Also clears what the model's own step left here.
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return float(loss.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Return everything a checkpoint needs."""
        kept = {f"{PREFIX}{name}": value for name, value in self.judge.state_dict().items()}
        return kept | optimiser_tensors(self._optimiser, _OPTIMISER)

    def resume(self, tensors: dict[str, Tensor]) -> None:
        """Take up what a checkpoint has; a run that began without a discriminator has nothing."""
        own = below(tensors, PREFIX)
        if not own:
            return
        self.judge.load_state_dict(own)
        resume_optimiser(self._optimiser, tensors, _OPTIMISER)
