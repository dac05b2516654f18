"""The settings of a run beside its figures, for TensorBoard's table of runs."""

from transformers.integrations import TensorBoardCallback


def write_hyper_parameters(trainer, settings, figures):
    """Returns the folders that were written to: settings and figures of a run, wherever it was logged to TensorBoard.

    Args:
        trainer (`Trainer`): after its training.
        settings (`dict`): of the run; what is no number, text or truth value is written as text.
        figures ({name: float}): what the run reached.
    """
    boards = [each for each in trainer.callback_handler.callbacks if isinstance(each, TensorBoardCallback)]
    folders = [board.logging_dir for board in boards if board.logging_dir]
    for folder in folders:
        from torch.utils.tensorboard import SummaryWriter

        plain = {
            name: value if isinstance(value, int | float | str) else str(value) for name, value in settings.items()
        }
        with SummaryWriter(log_dir=folder) as writer:
            writer.add_hparams(plain, {f"result/{name}": value for name, value in figures.items()}, run_name=".")
    return folders
