"""How many tokens a second one data-loader process makes into masked, packed batches, beside a copy of the same bytes.

    python benchmarks/loader_tokens_per_second.py --data_dir data --max_length 2048

Prints one JSON line a measurement: drawing windows alone, drawing, masking and packing, and memcpy. Bar: 1 M tokens a
second and worker for the whole of it. Times are the best of `--repeats` passes.
"""

import argparse
import json
import time

import numpy as np

from traceformers.training.masked_lm.mlm_arguments import DataArguments
from traceformers.training.masked_lm.mlm_run import MLMData
from traceformers.training.run_record import command_line


def best_seconds(work, repeats):
    """Returns the seconds of the fastest of some calls of `work`."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", required=True, help="folder of a prepared data set")
    parser.add_argument("--max_length", type=int, default=2048, help="longest window (2048)")
    parser.add_argument("--batch_size", type=int, default=32, help="windows of a batch (32)")
    parser.add_argument("--windows", type=int, default=640, help="windows of a pass (640)")
    parser.add_argument("--repeats", type=int, default=5, help="passes; the fastest counts (5)")
    options = parser.parse_args(argv)

    arguments = DataArguments(
        data_dir=options.data_dir, max_length=options.max_length, samples_per_epoch=options.windows
    )
    data = MLMData(arguments)
    dataset = data.random_windows()
    items = [dataset[i] for i in range(len(dataset))]
    n_tokens = sum(len(item["ids"]) for item in items)
    batches = range(0, len(dataset), options.batch_size)
    collated = data.collator(items)
    tensors = [value.numpy() for value in collated.values() if hasattr(value, "numpy")]
    targets = [np.empty_like(tensor) for tensor in tensors]

    def load():
        for start in batches:
            data.collator([dataset[i] for i in range(start, min(start + options.batch_size, len(dataset)))])

    measured = {
        "draw windows": lambda: [dataset[i] for i in range(len(dataset))],
        "draw, mask and pack": load,
        "memcpy of the same tensors": lambda: [np.copyto(a, b) for a, b in zip(targets, tensors, strict=True)],
    }
    for name, work in measured.items():
        seconds = best_seconds(work, options.repeats)
        result = {"benchmark": "loader_tokens_per_second", "what": name, "tokens_per_second": n_tokens / seconds}
        result |= {"seconds": seconds, "tokens": n_tokens, "windows": len(dataset), "max_length": options.max_length}
        result |= {"mean_window": n_tokens / len(dataset), "masked_share": len(collated["labels"]) / n_tokens}
        if name.startswith("memcpy"):
            result["bytes"] = sum(tensor.nbytes for tensor in tensors)
        print(json.dumps(result | {"command": command_line()}))


if __name__ == "__main__":
    main()
