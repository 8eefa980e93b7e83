"""Recipes: which network is trained how, on what kind of machine."""

from dataclasses import dataclass, replace

from imf_plugin.models.imf_vfi.config import FULL, LITE, ImfVfiConfig
from imf_plugin.training.augment import AugmentOptions
from imf_plugin.training.data import DataOptions
from imf_plugin.training.run_state import Schedule


@dataclass(frozen=True, kw_only=True)
class Recipe(Schedule):
    """Everything that decides a run, apart from its data and its time."""

    network: ImfVfiConfig
    data: DataOptions
    batch_size: int
    warmup_steps: int = 200
    ema_decay: float = 0.999
    charbonnier_weight: float = 1.0
    log_square_weight: float = 0.0
    laplacian_weight: float = 0.0
    census_weight: float = 0.0
    texture_weight: float = 0.0
    """Of how much more or less fine detail there is than in the truth, wherever it lies."""
    flow_weight: float = 0.0
    """Of the error against true (scenes) or taught (films) flows, in pixels."""
    coarse_flow_share: float = 0.3
    """Weight of each coarser level's flows besides."""
    precision: str = "fp32"
    """Of the forward pass: ``fp32`` or ``bf16``."""
    halved: bool = False
    """Whether the network sees the keyframes at half the size and the frame is put together at
    their own, as when interpolating; crops must be a multiple of 32 then."""
    seed: int = 0


LITE_CPU = Recipe(
    network=LITE,
    data=DataOptions(teaches_flows=False, augment=AugmentOptions(crop_px=192, telling_share=0.5)),
    batch_size=8,
    total_steps=10_000,
    learning_rate=4e-4,
    final_learning_rate=2e-5,
    ema_decay=0.998,
    charbonnier_weight=0.3,
    log_square_weight=0.02,
    laplacian_weight=0.01,
    halved=True,
)
"""For one or two CPU cores and a few hours: no census loss, which takes a tenth of the time, and no
flows to learn from, which take as much; so few samples teach the choice, not the motion."""

LITE_GPU = Recipe(
    network=LITE,
    data=DataOptions(augment=AugmentOptions(crop_px=256)),
    batch_size=32,
    total_steps=60_000,
    learning_rate=5e-4,
    final_learning_rate=1e-5,
    laplacian_weight=0.03,
    census_weight=0.02,
    flow_weight=0.004,
    precision="bf16",
)

FULL_GPU = Recipe(
    network=FULL,
    data=DataOptions(augment=AugmentOptions(crop_px=256)),
    batch_size=32,
    total_steps=40_000,
    learning_rate=3e-4,
    final_learning_rate=1e-5,
    laplacian_weight=0.03,
    census_weight=0.02,
    flow_weight=0.004,
    precision="bf16",
)

SHARP_CPU = replace(
    LITE_CPU,
    network=replace(LITE, name="imf-vfi-sharp"),
    total_steps=4_000,
    learning_rate=3e-4,
    log_square_weight=0.005,
    laplacian_weight=0.01,
    census_weight=0.05,
    texture_weight=1.0,
)
"""For looks: fine detail even where its place is unsure. Begin with weights of `LITE_CPU`."""

RECIPES = {"lite-cpu": LITE_CPU, "sharp-cpu": SHARP_CPU, "lite-gpu": LITE_GPU, "full-gpu": FULL_GPU}
