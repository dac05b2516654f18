"""The sentence encoder that a student approximates: any sentence-transformers model, or a plain BERT with a pooling.

teacher = load_teacher("sentence-transformers/all-MiniLM-L6-v2")
teacher.encode(["a text"]).shape  # (1, 384)
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers.models import WordPiece
from tqdm.auto import tqdm

from traceformers.training.model_files import model_folder

DEFAULT_TEACHER = "sentence-transformers/msmarco-distilbert-dot-v5"
PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}
POOLINGS = ("from-config", "cls", "mean")
SIMILARITIES = {"cosine": "cosine", "dot": "dot", "dot_score": "dot", "cos_sim": "cosine"}
# Beyond these a batch is no faster: measured with MiniLM on one core; a GPU wants larger ones.
TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 65_536}
TEXTS_PER_CHUNK = 16_384  # tokenized and sorted at a time
# What makes two teachers the same; the rest of a fingerprint says where it came from and how it was computed.
IDENTITY = ("weights_sha256", "pooling", "normalize", "dimension", "max_length")


class Teacher:
    """A frozen sentence encoder: texts to float32 vectors.

    Args:
        model (`SentenceTransformer`): a Transformer module, then modules that pool and map.
        name (`str`): as it was asked for.
        revision (`str`, *optional*): of a repository on the Hub.
        similarity (`str`): "cosine" or "dot".
        precision (`str`): "bfloat16" or "float32", of the transformer; what follows it is computed in float32.
        weights_sha256 (`str`).

    Attributes:
        dimension (`int`), max_length (`int`, tokens), pooling (`str`), normalize (`bool`), similarity (`str`).
        fingerprint (`dict`): JSON-safe; two teachers that agree on `IDENTITY` give the same vectors.
    """

    def __init__(self, model, name, revision, similarity, precision, weights_sha256):
        self.model, self.name, self.revision = model.eval(), name, revision
        self.similarity, self.precision = similarity, precision
        transformer, *self.head = list(model)
        self.transformer = transformer.to(PRECISIONS[precision])
        for module in self.head:
            module.float()
        self.tokenizer = model.tokenizer
        self.max_length = int(model.max_seq_length or transformer.config.max_position_embeddings)
        self.normalize = any(isinstance(module, Normalize) for module in self.head)
        modes = [module.pooling_mode for module in self.head if isinstance(module, Pooling)]
        self.pooling = "+".join(mode if isinstance(mode, str) else "+".join(mode) for mode in modes) or "none"
        self.dimension = int(model.get_embedding_dimension())
        self.fingerprint = {
            "teacher": name,
            "revision": revision,
            "weights_sha256": weights_sha256,
            "pooling": self.pooling,
            "normalize": self.normalize,
            "similarity": similarity,
            "dimension": self.dimension,
            "max_length": self.max_length,
            "compute_dtype": precision,
        }

    @torch.inference_mode()
    def encode(self, texts, batch_size=None, progress=False):
        """Returns the vectors of `texts`, float32 (B, dimension), in the order of the texts.

        Texts of like length share a batch, and a batch is cut by its tokens, so next to no padding is computed.

        Args:
            texts (sequence of `str`).
            batch_size (`int`, *optional*): most texts in a batch; by default only its tokens are limited.
            progress (`bool`): show a progress bar.
        """
        texts = [_encodable(text) for text in texts]
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        with tqdm(total=len(texts), unit=" texts", disable=not progress) as bar:
            for start in range(0, len(texts), TEXTS_PER_CHUNK):
                rows = self._tokenize(texts[start : start + TEXTS_PER_CHUNK])
                for batch in length_batches([len(row) for row in rows], self._token_budget, batch_size):
                    vectors[start + batch] = self._vectors([rows[i] for i in batch])
                    bar.update(len(batch))
        return vectors

    @property
    def _token_budget(self):
        return TOKENS_PER_BATCH.get(self.model.device.type, TOKENS_PER_BATCH["cuda"])

    def _tokenize(self, texts):
        prompt = self.model.prompts.get(self.model.default_prompt_name) or ""
        if getattr(self.transformer, "do_lower_case", False):
            texts = [text.lower() for text in texts]
        return self.tokenizer(
            [prompt + text for text in texts],
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]

    def _vectors(self, rows):
        width = max(map(len, rows))
        ids = np.full((len(rows), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for i, row in enumerate(rows):
            here = slice(width - len(row), width) if left else slice(len(row))
            ids[i, here], mask[i, here] = row, 1
        features = {"input_ids": torch.from_numpy(ids).to(self.model.device)}
        attention_mask = torch.from_numpy(mask).to(self.model.device)
        if not mask.all():  # without a mask attention is faster, and nothing is padded
            features["attention_mask"] = attention_mask
        features = self.transformer(features)
        features |= {"attention_mask": attention_mask, "token_embeddings": features["token_embeddings"].float()}
        for module in self.head:
            features = module(features)
        return features["sentence_embedding"].float().cpu().numpy()

    def wordpieces(self):
        """Returns {piece: id} of the teacher's WordPiece tokenizer, or None if it has another kind."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        return dict(self.tokenizer.get_vocab()) if backend and isinstance(backend.model, WordPiece) else None


def load_teacher(
    name,
    revision=None,
    pooling="from-config",
    device=None,
    precision="bfloat16",
    max_length=None,
    similarity="from-config",
):
    """Returns the `Teacher` of a name.

    Args:
        name (`str`): a folder; a repository on the Hub; or `package:<module>`, an installed Python package that holds
            a model in its folder or in `model/`.
        revision (`str`, *optional*): commit or tag of a repository.
        pooling (`str`): "from-config", or "cls" or "mean" in place of what the config says. A model without
            sentence-transformers' modules.json, such as a plain BERT, needs one of the latter.
        device (`str`, *optional*): a GPU if there is one.
        precision (`str`): "bfloat16" or "float32".
        max_length (`int`, *optional*): cut texts at so many tokens; as the config says if not given.
        similarity (`str`): "from-config", or "cosine" or "dot" for a teacher whose config does not say it.

    Raises:
        ValueError: for an unknown pooling, precision or similarity, or a model that holds no weights.
        FileNotFoundError: if `package:<module>` is not installed.
    """
    _expect("teacher pooling", pooling, POOLINGS)
    _expect("teacher precision", precision, PRECISIONS)
    _expect("teacher similarity", similarity, ("from-config", "cosine", "dot"))
    folder = model_folder(name, revision)
    has_modules = (folder / "modules.json").is_file()
    if pooling == "from-config" and not has_modules:
        raise ValueError(
            f"Expected modules.json in the teacher {name}, which tells its pooling, found none. "
            "Choose one: --teacher-pooling cls or --teacher-pooling mean."
        )
    if device is None:
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    if has_modules:
        model = SentenceTransformer(str(folder), device=device)
    else:
        transformer = Transformer(str(folder))
        modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)]
        model = SentenceTransformer(modules=modules, device=device)
    if pooling != "from-config":
        for module in model:
            if isinstance(module, Pooling):
                module.pooling_mode = pooling
                module.pooling_output_dimension = module.embedding_dimension
    if max_length is not None:
        model.max_seq_length = max_length
    if similarity == "from-config":
        similarity = SIMILARITIES.get(str(model.similarity_fn_name))
        if similarity is None:
            raise ValueError(
                f"Expected a teacher compared by cosine or dot product, got {model.similarity_fn_name} in {name}. "
                "Choose one with --teacher_similarity."
            )
    if revision is None and folder.parent.name == "snapshots":
        revision = folder.name  # the commit that `main` was
    return Teacher(model, str(name), revision, similarity, precision, weights_sha256(folder))


def weights_sha256(folder):
    """Returns the SHA-256 of the weight file of a model folder; of several, that of their names and hashes."""
    files = sorted(Path(folder).rglob("*.safetensors")) or sorted(Path(folder).rglob("*.bin"))
    files = [file for file in files if not set(file.relative_to(folder).parts) & {"onnx", "openvino"}]
    if not files:
        raise ValueError(
            f"Expected *.safetensors in {folder}, found no weights. Give the folder or the name of a saved model."
        )
    hashes = []
    for file in files:
        with open(file, "rb") as stream:
            hashes.append(hashlib.file_digest(stream, "sha256").hexdigest())
    if len(files) == 1:
        return hashes[0]
    listed = "".join(f"{file.relative_to(folder)} {found}\n" for file, found in zip(files, hashes, strict=True))
    return hashlib.sha256(listed.encode()).hexdigest()


def length_batches(lengths, token_budget, batch_size=None):
    """Returns arrays of positions, longest first, each a batch of at most `token_budget` tokens, padding included.

    >>> [batch.tolist() for batch in length_batches([1, 9, 3, 3], token_budget=9)]
    [[1], [2, 3, 0]]
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches, start = [], 0
    while start < len(order):
        n = max(1, token_budget // max(1, int(lengths[order[start]])))
        stop = start + min(n, batch_size or n)
        batches.append(order[start:stop])
        start = stop
    return batches


def _encodable(text):
    if not isinstance(text, str):
        raise ValueError(f"Expected texts as str, got {type(text).__name__}. Give a list of str.")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # lone surrogates have no UTF-8


def _expect(what, value, choices):
    if value not in choices:
        raise ValueError(f"Expected a {what} of {', '.join(choices)}, got {value!r}. Set one of these.")
