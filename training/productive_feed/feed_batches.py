"""Examples as batches of tensors: everything that can be computed once is, a batch only gathers.

axes: n examples, V videos, K distinct events that are read, B rows of a batch, E events, T tokens, H text width
"""

import numpy as np
import torch

from traceformers.training.epoch_batches import EpochBatches
from traceformers.training.productive_feed.balanced_sampler import balanced_order
from traceformers.training.productive_feed.feed_features import event_numbers


class FeedInputs:
    """Model inputs of all examples of a run.

    Args:
        examples (`FeedExamples`).
        features (`FeedFeatures`): with an event encoder where the config uses activity.
        text_vectors (float32 (V, H), *optional*): of the videos; not where the encoder is trained.
        tokens (list of V lists of `int`, *optional*): of the videos' texts, in place of vectors.
        padding_id (`int`): of the tokens.

    Attributes:
        offsets (float32 (n, 2) or None): what is added to logits in training and evaluation, see feed_residual.py.
    """

    def __init__(self, examples, features, text_vectors=None, tokens=None, padding_id=0):
        self.examples, self.features = examples, features
        self.text_vectors, self.tokens, self.padding_id = text_vectors, tokens, padding_id
        self.offsets = None
        videos = examples.videos.take(examples.video_row)
        self.numbers = features.numbers(videos, examples.moments, examples.past).numpy()
        if features.config.use_activity:
            window = examples.window
            self.encode_events()
            self.event_numbers = event_numbers(window, features.config.time_zone)
            self.event_categories = np.where(window.mask, features.categories(examples.events)[window.event_index], 0)

    def __len__(self):
        return len(self.examples)

    def encode_events(self, anew=False):
        """Makes the vectors of the events; `anew` for an encoder that has changed since."""
        if anew:
            self.features.event_encoder.forget()
        window = self.examples.window
        found = self.features.event_encoder(self.examples.events, window.event_index)
        self.event_vectors, self.event_rows = found

    def batch(self, rows, labels=True):
        """Returns the model inputs of some examples (B,), tensors by name."""
        rows = np.asarray(rows)
        videos = self.examples.video_row[rows]
        arrays = {"numbers": self.numbers[rows]}
        if self.text_vectors is not None:
            arrays["text_vectors"] = self.text_vectors[videos]
        else:
            arrays |= padded([self.tokens[video] for video in videos], self.padding_id)
        if self.features.config.use_activity:
            mask = self.examples.window.mask[rows]
            width = max(1, int(np.flatnonzero(mask.any(axis=0)).max(initial=0)) + 1)
            mask = mask[:, :width]
            arrays["event_mask"] = mask
            vectors = self.event_vectors[self.event_rows[rows][:, :width]]
            arrays["event_vectors"] = np.where(mask[..., None], vectors, 0).astype(np.float32)
            arrays["event_numbers"] = self.event_numbers[rows][:, :width]
            arrays["event_categories"] = self.event_categories[rows][:, :width]
        if labels:
            arrays["labels"] = self.examples.labels[rows]
            if self.offsets is not None:
                arrays["offsets"] = self.offsets[rows]
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


class BalancedBatches(EpochBatches):
    """Examples to train on, in the balanced order of an epoch, see `balanced_order`.

    Args:
        inputs (`FeedInputs`).
        rows (int array): examples that are trained on.
        interest_ratio (`float`), seed (`int`).
    """

    def __init__(self, inputs, rows, interest_ratio=0.5, seed=42):
        super().__init__()
        self.inputs, self.rows = inputs, np.asarray(rows)
        self.interest_ratio, self.seed = interest_ratio, seed

    def __len__(self):
        return len(self.rows)

    def order_of(self, epoch):
        """Returns the examples in the order of an epoch, int64 (n,)."""
        labels = self.inputs.examples.labels[self.rows]
        return self.rows[balanced_order(labels, self.interest_ratio, self.seed, epoch)]

    def __getitems__(self, positions):
        """Returns the batch of some positions of the epoch."""
        return self.inputs.batch(self.order[positions])


class OrderedBatches(torch.utils.data.Dataset):
    """Examples as they are, for evaluation; position i is row i of `rows`."""

    def __init__(self, inputs, rows):
        self.inputs, self.rows = inputs, np.asarray(rows)

    def __len__(self):
        return len(self.rows)

    @property
    def labels(self):
        """Labels (n, 2), NaN for none."""
        return self.inputs.examples.labels[self.rows]

    def __getitems__(self, positions):
        """Returns the batch of some positions."""
        return self.inputs.batch(self.rows[positions])

    def __getitem__(self, position):
        return self.__getitems__([position])


def padded(rows, padding_id=0):
    """Returns {"input_ids", "attention_mask"}, int64 (B, T), of lists of token ids, as wide as the longest."""
    width = max(1, max(map(len, rows)))
    ids = np.full((len(rows), width), padding_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask}
