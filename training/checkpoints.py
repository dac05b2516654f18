"""Finding the checkpoint a run continues from."""

import json
import re
from pathlib import Path


def last_complete_checkpoint(folder, world_size=1):
    """Returns the newest `checkpoint-<step>` folder in `folder` that was written to its end, or None, as `str`.

    A process killed while it writes leaves a folder without some file. `trainer_state.json` is the last that rank 0
    writes; every rank writes its own random state, without which a run would go on but not to the same losses.

    Args:
        folder (`str` or `os.PathLike`): output folder of the run; it need not exist.
        world_size (`int`): ranks of the run that is to continue.
    """
    numbered = {}
    for path in Path(folder).glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match:
            numbered[int(match[1])] = path
    for step in sorted(numbered, reverse=True):
        if _is_complete(numbered[step], world_size):
            return str(numbered[step])
    return None


def _is_complete(checkpoint, world_size):
    random_states = ["rng_state.pth"] if world_size == 1 else [f"rng_state_{rank}.pth" for rank in range(world_size)]
    if not all((checkpoint / name).is_file() for name in ["config.json", "scheduler.pt", *random_states]):
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
