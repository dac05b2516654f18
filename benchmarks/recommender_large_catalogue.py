"""Claim: a catalogue of a million items fits: losses that never hold all scores, and retrieval by FAISS at inference.

    python benchmarks/recommender_large_catalogue.py --items 1000000 --hidden_size 64
    python benchmarks/recommender_large_catalogue.py --model runs/bert4rec/model --histories histories.txt

Training: one step of a SASRec (forward, backward, clipping, Adam) by each loss, each in a process of its own; the peer
is the same network with torch's cross-entropy over the scores of all asked positions for all items. Retrieval: the ten
best unseen items of each user by `model.recommend_ids`, which scores all items, and again after
`model.build_index(kind)`; recall is the share of the first ten that the index finds too. Without `--model` the items'
vectors are drawn around as many centres as `--centres` says, as those of a trained catalogue lie in groups; vectors
without any would be the worst case of every index. Times are wall and processor seconds, memory is the peak of the
process and what it was before the first step. Prints one JSON line a system.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import time
from pathlib import Path

LOSSES = ("full", "sampled", "gbce", "torch cross-entropy")
#: Kinds of `build_index` and their settings.
SETTINGS = {"flat": (), "ivf": ("cells", "probes"), "hnsw": ("links", "ef_construction", "ef_search")}
K = 10


def peak_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def clocks():
    return time.perf_counter(), time.process_time()


def random_histories(args, users):
    """Returns lists of token ids, `args.length` items each, drawn with a long tail."""
    import numpy as np

    generator = np.random.default_rng(args.seed)
    places = (args.items * generator.random((users, args.length)) ** 3).astype(np.int64)
    return places + 3


def new_model(args, loss):
    """Returns a SASRec of random weights for the catalogue."""
    import torch

    from traceformers.modeling.recommender.configuration_sasrec import SASRecConfig
    from traceformers.modeling.recommender.modeling_sasrec import SASRecModel

    torch.manual_seed(args.seed)
    heads = max(1, args.hidden_size // 64)
    shape = {"hidden_size": args.hidden_size, "num_hidden_layers": 2, "num_attention_heads": heads}
    config = SASRecConfig(vocab_size=args.items + 3, loss=loss, num_negatives=args.negatives, **shape)
    return SASRecModel(config)


def training_steps(pipe, args, loss):
    """Sends the record of a few training steps by one loss; the process of a loss."""
    import torch

    torch.set_num_threads(args.threads)
    peer = loss == "torch cross-entropy"
    model = new_model(args, "full" if peer else loss).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    rows = torch.from_numpy(random_histories(args, args.batch_size))
    labels = torch.full_like(rows, -100)
    labels[:, -args.asked :] = rows[:, -args.asked :].roll(-1, 1)
    before, seconds, losses = peak_mb(), [], []
    for _ in range(args.steps + 1):
        wall, processor = clocks()
        if peer:
            states, targets = model._asked(rows, None, labels)
            value = torch.nn.functional.cross_entropy(states @ model.item_vectors()[3:].T, targets - 3)
        else:
            value = model(input_ids=rows, labels=labels).loss
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(value.detach()))
        seconds.append([now - then for now, then in zip(clocks(), (wall, processor), strict=True)])
    wall, processor = (statistics.median(column) for column in zip(*seconds[1:], strict=True))  # the first warms up
    record = {"part": "training", "system": loss, "positions": int((labels >= 0).sum()), "loss": losses}
    record |= {"seconds_a_step": round(wall, 3), "cpu_seconds_a_step": round(processor, 3)}
    record |= {"peak_mb": peak_mb(), "peak_mb_before_the_first_step": before}
    record["weights_mb"] = round(sum(weight.nbytes for weight in model.parameters()) / 2**20)
    pipe.send(record)


def grouped_vectors(args):
    """Returns float32 (items, H): `args.centres` centres, the first with the most items, and a spread around each."""
    import numpy as np

    generator = np.random.default_rng(args.seed)
    centres = generator.standard_normal((args.centres, args.hidden_size)).astype(np.float32)
    group = (args.centres * generator.random(args.items) ** 2).astype(np.int64)
    spread = generator.standard_normal((args.items, args.hidden_size), dtype=np.float32)
    return (centres[group] + args.spread * spread) / args.hidden_size**0.5


def retrieval(pipe, args, name, exact):
    """Sends the record of the ten best items of all users by one index, and the items; the process of an index."""
    import numpy as np
    import torch

    torch.set_num_threads(args.threads)
    model, ids, offsets = model_and_histories(args)
    record = {"part": "retrieval", "system": name, "users": len(offsets) - 1, "items": model.config.vocab_size - 3}
    record["peak_mb_before_the_index"] = peak_mb()
    if name != "exact":
        import faiss

        faiss.omp_set_num_threads(args.threads)
        settings = {key: getattr(args, key) for key in SETTINGS[name] if getattr(args, key)}
        wall, processor = clocks()
        model.build_index(name, **settings)
        record["build_seconds"] = round(time.perf_counter() - wall, 1)
        record["build_cpu_seconds"] = round(time.process_time() - processor, 1)
        record["settings"] = settings
    record["peak_mb_before_searching"] = peak_mb()
    wall, processor = clocks()
    found, _ = model.recommend_ids(ids, offsets, K)
    record["users_per_second"] = round(record["users"] / (time.perf_counter() - wall), 1)
    record["users_per_cpu_second"] = round(record["users"] / (time.process_time() - processor), 1)
    if exact is not None:
        shared = [len(np.intersect1d(ours, theirs)) for ours, theirs in zip(found, exact, strict=True)]
        record["recall@10"] = round(float(np.mean(shared)) / K, 4)
    record["peak_mb"] = peak_mb()
    pipe.send((record, found))


def model_and_histories(args):
    """Returns the model of `--model`, or one with vectors in groups, with histories: (model, ids (N,), offsets)."""
    import numpy as np
    import torch

    if args.model:
        from transformers import AutoModel

        model = AutoModel.from_pretrained(args.model, trust_remote_code=True).eval()
        lines = Path(args.histories).read_text(encoding="utf-8").splitlines()[: args.users]
        ids, offsets, _ = model.item_tokenizer.encode_histories([line.split() for line in lines])
        return model, ids, offsets
    model = new_model(args, "full").eval()
    with torch.no_grad():
        model.items.item_embeddings.weight[3:] = torch.from_numpy(grouped_vectors(args))
    rows = random_histories(args, args.users)
    return model, rows.ravel(), np.arange(len(rows) + 1) * rows.shape[1]


def own_process(function, *arguments):
    """Returns what a function sends from a process of its own, or None if that ended without sending."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=function, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        return pipe.recv()
    except EOFError:
        return None
    finally:
        process.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--hidden_size", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=32, help="rows of a training step")
    parser.add_argument("--length", type=int, default=50, help="items of a history")
    parser.add_argument("--asked", type=int, default=8, help="positions of a row with a label")
    parser.add_argument("--negatives", type=int, default=256)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--losses", nargs="*", default=LOSSES, choices=LOSSES)
    parser.add_argument("--indexes", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--users", type=int, default=1000, help="users to recommend to")
    parser.add_argument("--centres", type=int, default=4096)
    parser.add_argument("--spread", type=float, default=0.5, help="around a centre, whose own spread is 1")
    for setting in sum(SETTINGS.values(), ()):
        parser.add_argument(f"--{setting}", type=int, help="of build_index; its own default")
    parser.add_argument("--model", help="folder of a BERT4Rec or SASRec instead of drawn vectors")
    parser.add_argument("--histories", help="text file for --model, one history of item ids a line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from traceformers.training.run_record import command_line

    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    head = {"benchmark": "recommender_large_catalogue", "command": command_line()}
    head |= {"items": args.items, "hidden_size": args.hidden_size, "threads": args.threads, "seed": args.seed}
    for loss in args.losses:
        record = own_process(training_steps, args, loss)
        record = record or {"part": "training", "system": loss, "error": "ended without a result: out of memory?"}
        print(json.dumps(head | record), flush=True)
    if args.indexes:
        exact = own_process(retrieval, args, "exact", None)
        if exact is None:
            raise SystemExit("The exact search ended without a result; see above.")
        print(json.dumps(head | exact[0]), flush=True)
    for name in args.indexes:
        answer = own_process(retrieval, args, name, exact[1])
        record = answer[0] if answer else {"part": "retrieval", "system": name, "error": "ended without a result"}
        print(json.dumps(head | record), flush=True)


if __name__ == "__main__":
    main()
