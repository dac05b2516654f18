"""Whole training steps of RRWebBERT, packed, against transformers' BertForMaskedLM of the same size, padded.

On two cores, a small model:
    python benchmarks/training_step.py --data_dir data --max_length 512
The base model on a GPU:
    python benchmarks/training_step.py --data_dir data --device cuda --dtype bf16 --hidden_size 768 \
        --num_hidden_layers 12 --num_attention_heads 12 --max_length 2048 --windows 512 --batch_sizes 8 16 32 64

Both sides get the same windows of a prepared data set with the same masks, the same AdamW, and the batch size of
`--batch_sizes` that is fastest for them. Ours packs them without padding and asks for logits of masked tokens only;
theirs pads every batch to its longest window. Passes of both sides alternate, so that a busy machine slows both.
Prints JSON lines; tokens a second are real tokens, padding not counted. Peak memory is measured on a GPU only, where
each side has its own. Bar: 1.5 times theirs on a CPU.
"""

import argparse
import json
import time
from contextlib import nullcontext

import torch
from transformers import BertConfig, BertForMaskedLM

from traceformers.training.masked_lm.mlm_arguments import DataArguments, ModelArguments
from traceformers.training.masked_lm.mlm_run import MLMData, build_model
from traceformers.training.masked_lm.packing import PaddingCollator
from traceformers.training.run_record import command_line

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Side:
    """A model with its optimizer and collator; steps over the same items at a given batch size."""

    def __init__(self, name, model, collator, options):
        self.name, self.collator, self.options = name, collator, options
        self.model = model.to(options.device).train()
        fused = options.device == "cuda" or None
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=fused)
        enabled = options.dtype != "fp32"
        self.autocast = torch.autocast(options.device, DTYPES[options.dtype]) if enabled else nullcontext()

    def batches(self, items, batch_size):
        """Returns collated batches; collating is timed by loader_tokens_per_second.py, not here."""
        return [self.collator(items[i : i + batch_size]) for i in range(0, len(items), batch_size)]

    def one_pass(self, batches):
        """Returns the seconds of one training step a batch: forward, backward, clipping, AdamW."""
        synchronize(self.options.device)
        started = time.perf_counter()
        for batch in batches:
            moved = {name: to_device(value, self.options.device) for name, value in batch.items()}
            with self.autocast:
                loss = self.model(**moved).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        synchronize(self.options.device)
        return time.perf_counter() - started


def to_device(value, device):
    return value.to(device, non_blocking=True) if isinstance(value, torch.Tensor) else value


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def matrix_peak(device, dtype):
    """Returns the fastest rate of a large square matrix product, in FLOP/s: what the device gives in practice."""
    n = 8192 if device == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=DTYPES[dtype]) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(5):
            a @ b
        synchronize(device)
        best = min(best, (time.perf_counter() - started) / 5)
    return 2 * n**3 / best


def needed_flop(model, items, n_masked):
    """Returns the floating-point operations a pass needs at least: matrix products of real and masked tokens only.

    Forward 2 and backward 4 a weight and token; attention 2 * 2 * 3 a pair of tokens of one window, hidden unit and
    layer; the head on masked tokens.
    """
    config = model.config
    lengths = [len(item["ids"]) for item in items]
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    head = config.hidden_size * (config.hidden_size + config.vocab_size)
    attention = 12 * config.num_hidden_layers * config.hidden_size * sum(length**2 for length in lengths)
    return 6 * config.num_hidden_layers * layer * sum(lengths) + attention + 6 * head * n_masked


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="folder of a prepared data set")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="fp32", choices=list(DTYPES))
    parser.add_argument("--hidden_size", type=int, default=256)
    parser.add_argument("--num_hidden_layers", type=int, default=4)
    parser.add_argument("--num_attention_heads", type=int, default=4)
    parser.add_argument("--attention_dropout", type=float, default=0.0, help="on both sides (0)")
    parser.add_argument("--max_length", type=int, default=512, help="longest window (512)")
    parser.add_argument("--windows", type=int, default=48, help="windows of a pass (48)")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[4, 8, 16], help="tried on each side (4 8 16)")
    parser.add_argument("--repeats", type=int, default=3, help="passes at each batch size; the fastest counts (3)")
    options = parser.parse_args(argv)

    arguments = DataArguments(
        data_dir=options.data_dir, max_length=options.max_length, samples_per_epoch=options.windows
    )
    data = MLMData(arguments)
    windows = data.random_windows()
    items = [windows[i] for i in range(len(windows))]
    torch.manual_seed(0)
    shape = ModelArguments(
        hidden_size=options.hidden_size,
        num_hidden_layers=options.num_hidden_layers,
        num_attention_heads=options.num_attention_heads,
        attention_probs_dropout_prob=options.attention_dropout,
    )
    ours = build_model(shape, data.tokenizer, options.max_length)
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    sizes += ("max_position_embeddings", "attention_probs_dropout_prob", "hidden_dropout_prob")
    theirs = BertForMaskedLM(BertConfig(**{name: getattr(ours.config, name) for name in sizes}))
    padding = PaddingCollator(data.masking, data.tokenizer.structural_vocab_size)
    sides = [
        Side("RRWebBertForMaskedLM packed", ours, data.collator, options),
        Side("transformers.BertForMaskedLM padded", theirs, padding, options),
    ]

    n_tokens = sum(len(item["ids"]) for item in items)
    n_masked = len(data.collator(items)["labels"])
    flop_peak = matrix_peak(options.device, options.dtype)
    results = {side.name: [] for side in sides}
    for batch_size in options.batch_sizes:
        batches = [side.batches(items, batch_size) for side in sides]
        padded = sum(batch["input_ids"].numel() for batch in batches[1])
        seconds, memory = [[], []], [None, None]
        for repeat in range(options.repeats + 1):
            for i, side in enumerate(sides):
                if options.device == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                elapsed = side.one_pass(batches[i])
                memory[i] = torch.cuda.max_memory_allocated() if options.device == "cuda" else None
                seconds[i] += [elapsed] if repeat else []  # the first pass warms up
        for i, side in enumerate(sides):
            result = {"benchmark": "training_step", "side": side.name, "batch_size": batch_size}
            result |= {"tokens_per_second": n_tokens / min(seconds[i]), "seconds": min(seconds[i])}
            result |= {"padding_share": 1 - n_tokens / padded if i else 0.0, "masked_share": n_masked / n_tokens}
            share = needed_flop(side.model, items, n_masked) / min(seconds[i]) / flop_peak
            result |= {"share_of_matrix_peak": share, "matrix_peak_flop_per_second": flop_peak}
            result |= {"peak_memory_bytes": memory[i], "parameters": side.model.num_parameters()}
            result |= {"mean_window": n_tokens / len(items), "device": options.device, "dtype": options.dtype}
            print(json.dumps(result | {"command": command_line()}), flush=True)
            results[side.name].append(result)
    best = {name: max(found, key=lambda result: result["tokens_per_second"]) for name, found in results.items()}
    rates = [best[side.name]["tokens_per_second"] for side in sides]
    summary = {"benchmark": "training_step", "ratio": rates[0] / rates[1], "tokens_per_second": rates}
    summary |= {"batch_sizes": [best[side.name]["batch_size"] for side in sides], "max_length": options.max_length}
    print(json.dumps(summary | {"command": command_line()}))


if __name__ == "__main__":
    main()
