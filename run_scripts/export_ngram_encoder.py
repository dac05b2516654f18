"""Writes a folded n-gram encoder as ONNX, a torch.export program or TorchScript, and compares each with the model.

    python run_scripts/export_ngram_encoder.py encoder --forms onnx --precisions float32 float16 int8

writes encoder/onnx/model.onnx, model_float16.onnx and model_int8.onnx. Other forms go to encoder/torch-export/ and
encoder/torchscript/.
"""

import argparse
import sys
from pathlib import Path

from traceformers.training.distillation.export_ngram import SUFFIXES, export
from traceformers.training.model_files import model_folder

PRECISIONS = ("float32", "float16", "int8")


def arguments(argv=None):
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", help="folder of a saved, folded encoder, or a repository on the Hub")
    parser.add_argument("--output", help="folder to write to; the encoder's own by default")
    parser.add_argument("--forms", nargs="+", default=["onnx"], choices=list(SUFFIXES))
    parser.add_argument("--precisions", nargs="+", default=["float32", "int8"], choices=PRECISIONS, help="of the table")
    found = parser.parse_args(argv)
    if found.output is None and not Path(found.encoder).is_dir():
        parser.error(f"Expected --output for {found.encoder}, which is no folder here. Name one to write to.")
    return found


def main(argv=None):
    options = arguments(argv)
    output = Path(options.output or options.encoder)
    for form in options.forms:
        for precision in options.precisions:
            name = "model" if precision == "float32" else f"model_{precision}"
            path = output / form / f"{name}{SUFFIXES[form]}"
            try:
                difference = export(model_folder(options.encoder), form, path, precision)
            except (ValueError, OSError) as error:
                sys.exit(f"error: {error}")
            print(f"{path}  {path.stat().st_size:,} bytes  difference {difference:.1e}")


if __name__ == "__main__":
    main()
