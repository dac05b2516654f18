"""An exported encoder gives the vectors of the model, of torch without torch, and of the runtime; or is not written."""

import numpy as np
import pytest
import torch
from tiny_ngram_encoder import TEXTS, padded, saved_encoder, tiny_encoder

from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.run_scripts.export_ngram_encoder import main
from traceformers.training.distillation import export_ngram
from traceformers.training.distillation.export_ngram import (
    SUFFIXES,
    PaddedNgramEncoder,
    check_parity,
    export,
    open_exported,
)

SHAPES = [{}, {"rho": "mlp", "num_attention_heads": 2}]


SLOW = [("float32", 1), ("float16", 0), ("float16", 1), ("int8", 0)]


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float32", 0), ("int8", 1), *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_onnx_is_torch_is_the_runtime(tmp_path, dtype, shape):
    saved_encoder(tmp_path, table_dtype=dtype, **SHAPES[shape])
    path = tmp_path / "onnx" / "model.onnx"
    assert export(tmp_path, "onnx", path) < 1e-5
    inputs = [rows.numpy() for rows in padded().values()]
    found = open_exported(path, "onnx")(*inputs)
    for back_end in ("numba", "python"):
        expected = NgramRuntime.from_pretrained(tmp_path, back_end=back_end).encode(TEXTS)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]  # the table is inside


@pytest.mark.parametrize("form", ["torch-export", "torchscript"])
def test_programs_of_torch_are_the_runtime(tmp_path, form):
    saved_encoder(tmp_path, **SHAPES[1])
    path = tmp_path / f"model{SUFFIXES[form]}"
    assert export(tmp_path, form, path, "int8") < 1e-5
    found = open_exported(path, form)(*[rows.numpy() for rows in padded().values()])
    expected = NgramRuntime.from_pretrained(tmp_path, precision="int8").encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_the_command_writes_every_form_and_precision_asked_for(tmp_path, capsys):
    saved_encoder(tmp_path / "encoder")
    main([str(tmp_path / "encoder"), "--output", str(tmp_path / "out"), "--forms", "torchscript"])
    assert sorted(path.name for path in (tmp_path / "out" / "torchscript").iterdir()) == ["model.ts", "model_int8.ts"]
    assert capsys.readouterr().out.count("difference") == 2


def test_the_command_tells_what_is_wrong_in_a_line(tmp_path, capsys):
    tiny_encoder().save_pretrained(tmp_path)
    with pytest.raises(SystemExit, match="error: Expected a folded model to export, got the training form"):
        main([str(tmp_path)])
    with pytest.raises(SystemExit):
        main(["user/repository"])
    assert "Expected --output for user/repository" in capsys.readouterr().err


def test_a_file_whose_vectors_differ_is_not_left(tmp_path, monkeypatch):
    saved_encoder(tmp_path / "encoder")

    class Wrong(PaddedNgramEncoder):
        def forward(self, input_ids, attention_mask):
            return super().forward(input_ids, attention_mask) * 1.001

    monkeypatch.setattr(export_ngram, "PaddedNgramEncoder", Wrong)
    with pytest.raises(
        ValueError, match=r"exported torchscript within 1e-05 of the model's, got a difference of 0\.00"
    ):
        export(tmp_path / "encoder", "torchscript", tmp_path / "out" / "model.ts")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(ValueError, match="a form of onnx, torch-export, torchscript, got 'tflite'"):
        export(tmp_path / "encoder", "tflite", tmp_path / "out" / "model")


def test_the_check_sees_padding_that_counts(tmp_path):
    model = tiny_encoder().fold()

    class Unmasked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = PaddedNgramEncoder(model)

        def forward(self, input_ids, attention_mask):
            return self.encoder(input_ids, torch.ones_like(attention_mask))

    program = torch.export.export(Unmasked(), export_ngram._example(), dynamic_shapes=export_ngram._dynamic_shapes())
    torch.export.save(program, tmp_path / "unmasked.pt2")
    with pytest.raises(ValueError, match="got a difference of"):
        check_parity(model, tmp_path / "unmasked.pt2", "torch-export")
