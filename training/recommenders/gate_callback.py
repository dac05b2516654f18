"""What the gates of a metadata fusion trust while a model is trained."""

import numpy as np
import torch
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback

#: Names of the figures: val_gate/item, val_gate/genre, ...
PREFIX = "val_gate/"


class GateCallback(TrainerCallback):
    """Logs after each evaluation the mean share of each source in the vectors of the items that users chose before.

    The shares are written to the log history and, by their own names, to TensorBoard.

    Args:
        histories (`Histories`): of the users who are asked.
        trainer (`Trainer`): whose other callbacks may write to TensorBoard.
    """

    def __init__(self, histories, trainer):
        self.items, counts = np.unique(histories.items, return_counts=True)
        self.weights, self.trainer = counts / max(1, counts.sum()), trainer

    def on_evaluate(self, args, state, control, model=None, **kwargs):
        shares = {f"{PREFIX}{name}": value for name, value in self.shares(model).items()}
        state.log_history.append({**shares, "epoch": state.epoch, "step": state.global_step})
        for callback in self.trainer.callback_handler.callbacks:
            if isinstance(callback, TensorBoardCallback) and callback.tb_writer is not None:
                for name, value in shares.items():
                    callback.tb_writer.add_scalar(name, value, state.global_step)

    def shares(self, model):
        """Returns {"item": share, ...} of a model; the shares sum to one."""
        gates = model.gates(torch.from_numpy(self.items.astype(np.int64))).float().cpu().numpy()
        names = ["item", *model.config.metadata_features]
        return dict(zip(names, (self.weights @ gates).tolist(), strict=True))


def has_gates(model):
    """Whether a model weighs the sources of its items."""
    return getattr(model.config, "metadata_fusion", "none") == "gate"
