"""Texts to vectors for sentence-transformers: queries by the n-gram encoder, documents by it or by its teacher."""

import importlib.util
import json
import shutil
from pathlib import Path

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers import __version__ as sentence_transformers_version
from sentence_transformers.base.modules import InputModule
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoModel, AutoTokenizer
from transformers.dynamic_module_utils import get_relative_import_files

from .ngram_files import read_tensors
from .ngram_runtime import NgramRuntime

CONFIG_NAME = "ngram_sentence_encoder.json"
DOCUMENT_MAP_NAME = "document_map.safetensors"

#: Not used here: named so that a repository holds the runtime that needs no torch.
RUNTIME = NgramRuntime


class NgramSentenceEncoder(InputModule):
    """Texts to the vectors of an `NgramEncoderModel`.

    `encode` and `encode_query` use this model. `encode_document` does too, unless `config.documents` is "teacher":
    then the sentence encoder that `config.teacher_name` names, in the revision the config records, is loaded at first
    use. It is no part of this module: neither saved, nor trained, nor counted among the parameters.

    Arguments:
        model (PreTrainedModel): an `NgramEncoderModel`, folded as a rule.
        tokenizer (PreTrainedTokenizer): the `NgramTokenizer` of the same folder.
        max_seq_length (int or None): most ids of a text; None = what the tokenizer allows.
        document_map (bytes or None): what `document_map.safetensors` holds: "matrix" (D, D) and "offset" (D,) that
            the teacher's document vectors are put through, and `normalize` in its header.
        teacher_options (dict or None): passed on to `SentenceTransformer` when the teacher is loaded.

    Example:
        >>> encoder = SentenceTransformer(folder, trust_remote_code=True)  # doctest: +SKIP
        >>> encoder.encode_query(["bank of a river"]) @ encoder.encode_document(texts).T  # doctest: +SKIP
    """

    # In the root, and under a name of its own: code of a module in a subfolder is not found when saved again.
    save_in_root = True
    config_file_name = CONFIG_NAME
    config_keys = ["max_seq_length"]  # noqa: RUF012

    def __init__(self, model, tokenizer, max_seq_length=None, document_map=None, teacher_options=None):
        super().__init__()
        if len(tokenizer) != model.config.vocab_size:
            raise ValueError(
                f"Expected one entry of the model for each of the tokenizer's {len(tokenizer)} tokens, got "
                f"{model.config.vocab_size}; save model and tokenizer of the same training together."
            )
        if max_seq_length is not None and max_seq_length < 1:
            raise ValueError(f"Expected max_seq_length of at least 1, got {max_seq_length}; leave it out.")
        if model.config.document_map and document_map is None and model.config.documents == "teacher":
            raise ValueError(
                f"Expected {DOCUMENT_MAP_NAME} beside the model, because its config says document_map, found none; "
                "copy it there, or set document_map to false in config.json."
            )
        self.model = model
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length or int(tokenizer.model_max_length)
        self.document_map = document_map
        self.teacher_options = dict(teacher_options or {})
        self.__dict__["_teacher"] = None  # a plain attribute: a module would be saved, moved and trained

    def get_embedding_dimension(self) -> int:
        """Return the length D of a vector."""
        return self.model.config.hidden_size

    def preprocess(self, inputs, prompt=None, task=None, **kwargs):
        """Return the ids of all texts one after the other, or the texts themselves where the teacher encodes them.

        Arguments:
            inputs (list of str).
            prompt (str or None): put before each text.
            task (str or None): "query", "document" or None, as the methods of `SentenceTransformer` say.

        Returns:
            dict: input_ids (N,) and offsets (B + 1,); or documents, a list of str.
        """
        texts = [prompt + text for text in inputs] if prompt else list(inputs)
        if task == "document" and self.model.config.documents == "teacher":
            return {"documents": texts}
        ids, offsets = self.tokenizer.encode_flat(texts, self.max_seq_length)
        return {"input_ids": torch.from_numpy(ids).long(), "offsets": torch.from_numpy(offsets)}

    def forward(self, features, **kwargs):
        """Return `features` with `sentence_embedding` (B, D)."""
        if "documents" in features:
            features["sentence_embedding"] = self._encode_documents(features["documents"])
        else:
            outputs = self.model(features["input_ids"], offsets=features["offsets"])
            features["sentence_embedding"] = outputs.pooler_output
        return features

    # --- documents by the teacher ---------------------------------------------------------------------------

    @property
    def teacher(self) -> SentenceTransformer:
        """The teacher, loaded when it is first asked for.

        Raises:
            ValueError: the config names none, or its vectors have another length.
        """
        if self._teacher is None:
            config = self.model.config
            if config.teacher_name is None:
                raise ValueError("Expected teacher_name in the model's config, got None; it was distilled from none.")
            teacher = load_teacher(
                config.teacher_name, config.teacher_revision, config.teacher_pooling, self.teacher_options
            )
            width = teacher.get_embedding_dimension()
            if width != config.hidden_size:
                raise ValueError(
                    f"Expected vectors of length {config.hidden_size} from the teacher {config.teacher_name}, got "
                    f"{width}; the name or the revision in config.json is another model's."
                )
            self.__dict__["_teacher"] = teacher.eval()
        return self._teacher

    def _encode_documents(self, texts):
        """Return the teacher's vectors (B, D), of length 1 if the model's are, and mapped if there is a map."""
        device = self.model.device
        teacher = self.teacher.to(device)
        vectors = teacher.encode_document(
            texts, batch_size=max(len(texts), 1), convert_to_tensor=True, show_progress_bar=False
        )
        vectors = vectors.float().clone()  # made in inference mode, which no gradient could pass
        if self.model.config.normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        if self.model.config.document_map:
            matrix, offset, normalize = self._map
            vectors = vectors @ matrix.to(device) + offset.to(device)
            if normalize:
                vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return vectors

    @property
    def _map(self):
        """Return (matrix (D, D), offset (D,), whether mapped vectors get length 1)."""
        tensors, metadata = read_tensors(self.document_map)
        matrix, offset = (torch.from_numpy(tensors[name].copy()) for name in ("matrix", "offset"))
        return matrix, offset, metadata.get("normalize") == "true"

    def __getstate__(self):  # a worker process loads its own teacher
        return {**self.__dict__, "_teacher": None}

    # --- files ----------------------------------------------------------------------------------------------

    def save(self, output_path, *args, safe_serialization=True, **kwargs):
        """Write model, tokenizer, their code, the settings and the map of documents; always as safetensors."""
        self.model.save_pretrained(output_path)
        self.tokenizer.save_pretrained(output_path)
        self.save_config(output_path)
        if self.document_map is not None:
            Path(output_path, DOCUMENT_MAP_NAME).write_bytes(self.document_map)

    @classmethod
    def load(
        cls,
        model_name_or_path,
        subfolder="",
        token=None,
        cache_folder=None,
        revision=None,
        local_files_only=False,
        trust_remote_code=False,
        model_kwargs=None,
        processor_kwargs=None,
        config_kwargs=None,
        **kwargs,
    ):
        """Return the encoder of a folder or repository; `model_kwargs` takes dtype and the like."""
        where = {
            "subfolder": subfolder,
            "token": token,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        settings = cls.load_config(model_name_or_path, cache_folder=cache_folder, **where)
        found = cls.load_file_path(model_name_or_path, DOCUMENT_MAP_NAME, cache_folder=cache_folder, **where)
        where.update(cache_dir=cache_folder, trust_remote_code=trust_remote_code)
        model = AutoModel.from_pretrained(
            model_name_or_path, **{**where, **(config_kwargs or {}), **(model_kwargs or {})}
        )
        tokenizer = AutoTokenizer.from_pretrained(model_name_or_path, **{**where, **(processor_kwargs or {})})
        return cls(
            model,
            tokenizer,
            document_map=Path(found).read_bytes() if found else None,
            teacher_options={"token": token, "cache_folder": cache_folder, "local_files_only": local_files_only},
            **settings,
        )


def load_teacher(name, revision=None, pooling=None, options=None) -> SentenceTransformer:
    """Return a sentence encoder by its name; the network is used if its files are not here.

    Arguments:
        name (str): a folder, a repository on the Hub, or `package:<module>`, an installed Python package that holds a
            model in its folder or in `model/`.
        revision (str or None): of a repository.
        pooling (str or None): "cls" or "mean" in place of what the teacher's own files say, or where they say nothing.
        options (dict or None): passed on to `SentenceTransformer`.

    Raises:
        FileNotFoundError: the package is not installed or holds no model.
    """
    if name.startswith("package:"):
        module = name.removeprefix("package:")
        spec = importlib.util.find_spec(module)
        homes = list(spec.submodule_search_locations or []) if spec else []
        folders = [Path(home) / sub for home in homes for sub in ("", "model")]
        name = next((str(folder) for folder in folders if (folder / "config.json").is_file()), None)
        if name is None:
            raise FileNotFoundError(
                f"Expected an installed package {module} with a model in it, the teacher of this encoder, found none; "
                "install it, or set teacher_name in config.json to a folder or repository of the same model."
            )
    options = options or {}
    plain = pooling in ("cls", "mean") and Path(name).is_dir() and not Path(name, "modules.json").is_file()
    if plain:
        transformer = Transformer(name)
        return SentenceTransformer(modules=[transformer, Pooling(transformer.get_embedding_dimension(), pooling)])
    teacher = SentenceTransformer(name, revision=revision, **options)
    for module in teacher:
        if isinstance(module, Pooling) and pooling in ("cls", "mean"):
            module.pooling_mode = pooling
            module.pooling_output_dimension = module.embedding_dimension
    return teacher


def save_sentence_transformer(folder, max_seq_length=None) -> Path:
    """Return `folder`, a saved model and tokenizer, with what sentence-transformers needs to load them added.

    Afterwards `SentenceTransformer(folder, trust_remote_code=True)` works without this package. To train, load it so
    first: an encoder made from the installed package would be saved under a name that only the package can import.

    Arguments:
        folder (path): what `model.save_pretrained` and `tokenizer.save_pretrained` wrote.
        max_seq_length (int or None): as for `NgramSentenceEncoder`.

    Raises:
        FileNotFoundError: the folder holds no saved model or tokenizer.
    """
    folder = Path(folder)
    for name in ("config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"Expected a saved model and tokenizer in {folder}, found no {name}; call save_pretrained of "
                "both with this folder first."
            )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    module = Path(__file__).stem
    here = {"idx": 0, "name": "0", "path": "", "type": f"{module}.{NgramSentenceEncoder.__name__}"}
    versions = {
        "sentence_transformers": sentence_transformers_version,
        "transformers": transformers.__version__,
        "pytorch": torch.__version__,
    }
    about = {
        "model_type": "SentenceTransformer",
        "__version__": versions,
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": config.get("similarity", "cosine"),
    }
    for name, content in (
        ("modules.json", [here]),
        (CONFIG_NAME, {"max_seq_length": max_seq_length}),
        ("config_sentence_transformers.json", about),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for file in (__file__, *get_relative_import_files(__file__)):
        if Path(file).resolve().parent != folder.resolve():
            shutil.copyfile(file, folder / Path(file).name)
    return folder


__all__ = ["NgramSentenceEncoder", "load_teacher", "save_sentence_transformer"]
