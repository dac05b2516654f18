"""A folded n-gram encoder as ONNX, as a torch.export program and as TorchScript, each compared with the model itself.

All three take `input_ids` int64 (B, T) and `attention_mask` int64 (B, T) of any B and T, as the tokenizer pads them,
and return `sentence_embedding` float32 (B, D). The table is stored in float32, float16 or int8, which is what makes the
file small: a gather, a sum, a division and rho are all the computation there is.

    difference = export("folder", "onnx", "folder/onnx/model_int8.onnx", table_dtype="int8")
"""

import logging
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import LEAST_WEIGHT, NgramEncoderModel
from traceformers.modeling.ngram_encoder.ngram_table import scale_blocks

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "sentence_embedding"
OPSET = 18
SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "torchscript": ".ts"}
#: Most that a coordinate of a vector may differ from the model's, as a share of the largest.
TOLERANCE = 1e-5


class PaddedNgramEncoder(nn.Module):
    """What is exported of a folded `NgramEncoderModel`: padded rows in, without a shape that depends on their content.

    Args:
        model: a folded `NgramEncoderModel`; its tensors are shared.

    Raises:
        ValueError: if the model is not folded.
    """

    def __init__(self, model):
        super().__init__()
        if not model.config.folded:
            raise ValueError("Expected a folded model to export, got the training form. Call `fold()` on it first.")
        self.register_buffer("table", model.table.detach())
        self.register_buffer("weights", model.weights)
        self.register_buffer("scale", model.scale)
        self.rho = model.rho
        self.pad_token_id, self.normalize = model.config.pad_token_id, model.config.normalize

    def forward(self, input_ids, attention_mask):
        """Returns vectors (B, D) of padded rows: input_ids int64 (B, T), attention_mask int64 (B, T)."""
        said = ((attention_mask != 0) & (input_ids != self.pad_token_id)).unsqueeze(-1).float()  # (B, T, 1)
        rows = self.table[input_ids].float() * said  # (B, T, E)
        weights = self.weights[input_ids] * said  # (B, T, H)
        if self.scale is not None:
            heads = self.weights.shape[1]
            rows = rows.unflatten(-1, (heads, -1)) * self.scale[input_ids].unsqueeze(-1)
            rows = rows.flatten(2)
        totals = weights.sum(1)  # (B, H)
        out = scale_blocks(rows.sum(1), 1 / totals.clamp(min=LEAST_WEIGHT))
        if self.rho is not None:
            out = self.rho(out)
        out = out * (totals[:, :1] > 0).float()
        return nn.functional.normalize(out, dim=-1) if self.normalize else out


def export(folder, form, path, table_dtype=None):
    """Writes an encoder in another form and returns how far its vectors are from the model's, as `check_parity` does.

    Args:
        folder: what `save_pretrained` of the folded model wrote, or a repository on the Hub.
        form (`str`): "onnx", "torch-export" or "torchscript".
        path: the file to write; its folder is made if missing.
        table_dtype (`str`, *optional*): "float32", "float16" or "int8"; as the model is stored if not given.

    Raises:
        ValueError: for an unknown form or type, a model that is not folded, or a file whose vectors differ.
    """
    if form not in SUFFIXES:
        raise ValueError(f"Expected a form of {', '.join(SUFFIXES)}, got {form!r}. Choose one of them.")
    model = NgramEncoderModel.from_pretrained(folder).eval()
    if model.config.folded and table_dtype not in (None, model.config.table_dtype):
        model = model.fold(table_dtype)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    writers = {"onnx": write_onnx, "torch-export": write_program, "torchscript": write_torchscript}
    try:
        writers[form](model, beside)
        difference = check_parity(model, beside, form)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return difference


# -- writing ----------------------------------------------------------------------------------------------


def _example():
    """Returns rows to follow the computation with; of two texts and three ids, for 0 and 1 would be taken as fixed."""
    ids = torch.ones(2, 3, dtype=torch.long)
    return ids, torch.ones_like(ids)


def _dynamic_shapes():
    axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("ids")}
    return dict.fromkeys(INPUTS, axes)


def write_onnx(model, path):
    """Writes ONNX, one file with the table in it, from a folded model."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names every converter that it does not find
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            PaddedNgramEncoder(model).eval(),
            _example(),
            str(path),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes=_dynamic_shapes(),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def write_program(model, path):
    """Writes a torch.export program from a folded model."""
    program = torch.export.export(PaddedNgramEncoder(model).eval(), _example(), dynamic_shapes=_dynamic_shapes())
    with open(path, "wb") as file:
        torch.export.save(program, file)


def write_torchscript(model, path):
    """Writes TorchScript, for C++ or older torch, from a folded model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is the past
        torch.jit.trace(PaddedNgramEncoder(model).eval(), _example()).save(str(path))


# -- reading back -----------------------------------------------------------------------------------------


def open_exported(path, form, threads=1):
    """Returns a function from numpy `(input_ids, attention_mask)`, int64 (B, T), to vectors float32 (B, D).

    Args:
        path: a file that `export` wrote.
        form (`str`): its form.
        threads (`int`): of onnxruntime; the others go by torch's own setting.
    """
    if form == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda *rows: session.run([OUTPUT], dict(zip(INPUTS, rows, strict=True)))[0]
    if form == "torch-export":
        with open(path, "rb") as file:
            module = torch.export.load(file).module()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path))

    def encode(*rows):
        with torch.no_grad():
            return module(*map(torch.from_numpy, rows)).numpy()

    return encode


def check_parity(model, path, form, tolerance=TOLERANCE):
    """Returns the largest difference between the vectors of a file and those of the model, as a share of the largest.

    Compared are texts of one id and of many, alone and in a batch, padded, and one without any id.

    Args:
        model: the folded `NgramEncoderModel`, in the type that the file holds.
        path, form: a file that this module wrote.

    Raises:
        ValueError: if the difference is larger than `tolerance`.
    """
    encode = open_exported(path, form)
    generator = np.random.default_rng(0)
    difference, largest = 0.0, 0.0
    for texts, width in ((1, 1), (1, 9), (5, 1), (7, 40)):
        ids = generator.integers(0, model.config.vocab_size, (texts, width))
        mask = (np.arange(width) < generator.integers(1, width + 1, (texts, 1))).astype(np.int64)
        mask[-1] *= texts == 1  # a row without ids, in a batch
        with torch.no_grad():
            expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).pooler_output.numpy()
        difference = max(difference, float(np.abs(encode(ids, mask) - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    difference /= max(largest, 1e-12)
    if not difference <= tolerance:
        raise ValueError(
            f"Expected vectors of the exported {form} within {tolerance} of the model's, got a difference of "
            f"{difference}. Export with the versions of torch and onnxruntime that the tests run on."
        )
    return difference
