"""Rows of a `TripleDataset` to a batch of the trimodal model."""

from dataclasses import dataclass

import torch

MODALITIES = ("text", "image", "session")
_PROCESSED = {"text": "text", "image": "images", "session": "window_ids"}


@dataclass
class TripleCollator:
    """Makes the inputs of `RRWebTrimodalModel`; what has vectors is not processed, what is None gets a mask.

    Args:
        processor (`RRWebTrimodalProcessor`).
        max_length (`int`): longest window.
        text_max_length (`int`): tokens of a log that are read.
    """

    processor: object
    max_length: int
    text_max_length: int = 256

    def __call__(self, rows):
        """Returns a `dict` of tensors."""
        batch, inputs = {}, {}
        for modality in MODALITIES:
            vectors = [row.get(f"{modality}_vector") for row in rows]
            if any(vector is not None for vector in vectors):
                batch |= _vector_inputs(modality, vectors)
            elif any(row[modality] is not None for row in rows):
                inputs[_PROCESSED[modality]] = [row[modality] for row in rows]
        if inputs:
            batch |= self._processed(inputs, len(rows))
        return batch

    def _processed(self, inputs, count):
        # A row whose other parts are vectors may have nothing left for the processor: only rows with something go in.
        keep = [i for i in range(count) if any(values[i] is not None for values in inputs.values())]
        if len(keep) < count:
            inputs = {name: [values[i] for i in keep] for name, values in inputs.items()}
        limits = {"max_length": self.max_length, "text_max_length": self.text_max_length}
        data = dict(self.processor(**inputs, **limits))
        if len(keep) == count:
            return data
        where = torch.tensor(keep)
        grown = {}
        for name, value in data.items():
            grown[name] = value.new_zeros(count, *value.shape[1:]).index_copy(0, where, value)
        for modality, name in _PROCESSED.items():
            if name in inputs and f"{modality}_mask" not in grown:
                grown[f"{modality}_mask"] = torch.zeros(count, dtype=torch.bool).index_fill(0, where, True)
        return grown


def _vector_inputs(modality, vectors):
    first = next(vector for vector in vectors if vector is not None)
    stacked = torch.stack([torch.zeros_like(first) if vector is None else vector for vector in vectors])
    inputs = {f"{modality}_vectors": stacked}
    if any(vector is None for vector in vectors):
        inputs[f"{modality}_mask"] = torch.tensor([vector is not None for vector in vectors])
    return inputs
