"""Everything that can be trained, by the name that the commands know it under."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.errors import EngineError

if TYPE_CHECKING:
    from engines.recipes import Recipe
    from engines.training import Task

OURS = ("segmenter", "filler")
CLASSICS = (
    *("vanisher-segmenter", "vanisher-filler", "unet34-segmenter", "unet34-filler"),
    *("deepfill", "dcgan", "pix2pix", "maskrcnn"),
)
NAMES = (*OURS, *CLASSICS)


def make_task(name: str, data: Path, seed: int = 0, **options: Any) -> Task:
    """The task of a name, its network's first weights drawn with `seed`; options: what its `options` name.

    EngineError for others, and where torch is missing.
    """
    try:
        import torch

        from engines import tasks
        from engines.classics import tasks as classics
    except ImportError as error:
        raise EngineError(f"training needs {error.name}; install it with `pip install .[train]`") from error
    kinds: tuple[Any, ...] = (
        *(tasks.SegmenterTask, tasks.FillerTask),
        *(classics.VanisherSegmenterTask, classics.VanisherFillerTask),
        *(classics.UNet34SegmenterTask, classics.UNet34FillerTask),
        *(classics.DeepFillTask, classics.DCGANTask, classics.Pix2PixTask, classics.MaskRCNNTask),
    )
    kind = next(kind for kind in kinds if kind.name == name)
    if unknown := sorted(options.keys() - kind.options):
        raise EngineError(f"{name} takes no --{unknown[0].replace('_', '-')}; leave it out")
    torch.manual_seed(seed)
    made: Task = kind(data, **options)
    return made


def recipe_of(task: str, size: str = "swift") -> Recipe:
    """How a task's network of a size is exported; EngineError for a size that the task has not."""
    from engines.classics.recipes import CLASSIC_RECIPES
    from engines.recipes import RECIPES, SHARP_RECIPES

    recipes = SHARP_RECIPES if size == "sharp" else {**RECIPES, **CLASSIC_RECIPES}
    if task not in recipes:
        raise EngineError(f"there is no {task} of size {size}; leave --size out")
    return recipes[task]
