"""The arguments of distillation runs: a student's shape, its teacher and texts, and how it is trained."""

import dataclasses
from dataclasses import field

from transformers import TrainingArguments

from traceformers.training.distillation.distillation_losses import parse_loss
from traceformers.training.distillation.target_transform import TARGETS
from traceformers.training.run_arguments import parse_run


@dataclasses.dataclass
class StudentArguments:
    """Shape of the student, and where it starts."""

    vocabulary: str = field(
        default="",
        metadata={"help": "Folder that build_ngram_vocabulary.py wrote: tokenizer, entry vectors and counts."},
    )
    model_max_length: int = field(default=512, metadata={"help": "Most ids of a text."})
    init_table: str = field(default="teacher", metadata={"help": "Where table rows start: teacher or random."})
    train_table: bool = field(default=True, metadata={"help": "Train the table; False leaves it as it starts."})
    pooling: str = field(default="attention", metadata={"help": "Weights of entries: attention, sif or mean."})
    num_attention_heads: int = field(default=1, metadata={"help": "Blocks of the width with weights of their own."})
    embedding_size: int | None = field(default=None, metadata={"help": "Width of the table; the teacher's by default."})
    phi: str = field(default="none", metadata={"help": "What rows go through: none, or mlp, free after folding."})
    phi_hidden_size: int = field(default=1024, metadata={"help": "Width inside phi."})
    rho: str = field(default="none", metadata={"help": "What the pooled vector goes through: none, linear or mlp."})
    rho_hidden_size: int = field(default=128, metadata={"help": "Width inside rho."})
    num_self_attention_layers: int = field(
        default=0, metadata={"help": "Layers in which entries see each other; such a model cannot be folded."}
    )
    num_self_attention_heads: int = field(default=6, metadata={"help": "Heads of these layers."})
    composed_entries: bool = field(
        default=True, metadata={"help": "An n-gram is its words and a residual row, not a row of its own."}
    )
    matryoshka_dims: list[int] = field(
        default_factory=list, metadata={"help": "Widths below the teacher's that are usable by themselves."}
    )
    table_dtype: str = field(default="float32", metadata={"help": "Folded table: float32, float16 or int8."})
    documents: str = field(
        default="student", metadata={"help": "Who encodes documents in the saved model: student or teacher."}
    )
    document_map: bool = field(
        default=False,
        metadata={
            "help": "Fit a linear map of the teacher's document vectors to the student's queries, on short training "
            "texts, and save it with the model."
        },
    )

    def __post_init__(self):
        _expect("init_table", self.init_table, ("teacher", "random"))
        if not self.vocabulary:
            raise ValueError(
                "Expected --vocabulary, the folder that build_ngram_vocabulary.py wrote, got none. Name it, or set "
                "vocabulary in the config."
            )


@dataclasses.dataclass
class TeacherArguments:
    """Texts, and the teacher of their vectors."""

    texts: list[str] = field(
        default_factory=list, metadata={"help": "Files, globs or folders of training texts: .txt, .jsonl, Parquet."}
    )
    heldout: list[str] = field(default_factory=list, metadata={"help": "The same of texts to compare on."})
    max_heldout: int = field(default=5000, metadata={"help": "Held-out texts used, from the first on."})
    teacher: str | None = field(
        default=None,
        metadata={
            "help": "Folder, Hub id or package:<module>; where neither it nor a cache is there, "
            "sentence-transformers/msmarco-distilbert-dot-v5."
        },
    )
    teacher_revision: str | None = field(default=None, metadata={"help": "Commit or tag of a teacher on the Hub."})
    teacher_pooling: str = field(default="from-config", metadata={"help": "from-config, cls or mean."})
    teacher_similarity: str = field(default="from-config", metadata={"help": "from-config, cosine or dot."})
    teacher_max_length: int | None = field(
        default=None, metadata={"help": "The teacher cuts texts at so many tokens; as its config says by default."}
    )
    teacher_precision: str = field(default="bfloat16", metadata={"help": "bfloat16 or float32."})
    teacher_batch_size: int | None = field(default=None, metadata={"help": "Most texts in a batch of the teacher."})
    teacher_cache: str | None = field(
        default=None,
        metadata={"help": "Folder of its vectors, filled if they are missing; <output_dir>/teacher by default."},
    )
    heldout_cache: str | None = field(
        default=None, metadata={"help": "The same of held-out texts; <teacher_cache>-heldout by default."}
    )
    teacher_name: str | None = field(
        default=None,
        metadata={"help": "Hub id that the saved model names as its teacher, where --teacher is a folder."},
    )
    target: str = field(default="plain", metadata={"help": "Teacher vectors are learned plain, l2 or whitened."})
    short_text_weight: int = field(
        default=1, metadata={"help": "Texts of up to 12 ids, queries most of them, are drawn so often an epoch."}
    )
    long_text_weight: int = field(
        default=1, metadata={"help": "Texts of more than 32 ids are drawn so often an epoch; 0 leaves them out."}
    )
    mined_documents: int = field(
        default=0, metadata={"help": "Nearest texts mined for each text, for margin_mse and kl; 0 for none."}
    )
    documents_per_text: int = field(default=4, metadata={"help": "Mined documents of a text in a batch."})

    def __post_init__(self):
        _expect("target", self.target, TARGETS)
        for name in ("texts", "heldout"):
            if not getattr(self, name):
                raise ValueError(
                    f"Expected --{name}, files of one text a line, got none. Name them, or set {name} in the config."
                )
        least = {"max_heldout": 2, "short_text_weight": 0, "long_text_weight": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"Expected {name} of {value} or more, got {getattr(self, name)}. Set --{name} higher.")


@dataclasses.dataclass
class DistillationTrainingArguments(TrainingArguments):
    """`TrainingArguments` with what worked best: see LOG.md."""

    loss: str | None = field(
        default=None,
        metadata={
            "help": "cosine, mse, kl, student_kl, margin_mse, or weights of several: cosine=1,kl=0.5. "
            "By default cosine, or mse for a teacher that is compared by dot product."
        },
    )
    temperature: float = field(default=0.05, metadata={"help": "Of scores in kl and student_kl."})
    learning_rate: float = field(default=1e-3, metadata={"help": "Highest learning rate of phi, rho and layers."})
    table_learning_rate: float = field(default=4e-3, metadata={"help": "Highest learning rate of table rows."})
    logit_learning_rate: float = field(default=1e-2, metadata={"help": "Highest learning rate of entry weights."})
    final_learning_rate: float = field(
        default=0.02, metadata={"help": "Share of the rates that a linear schedule ends at."}
    )
    row_updates: str = field(
        default="lazy", metadata={"help": "Rows without a gradient: lazy leaves them, dense moves them by old moments."}
    )
    adam_beta2: float = field(default=0.99, metadata={"help": "Beta2 of Adam."})
    max_grad_norm: float = field(default=0.0, metadata={"help": "Longest gradient; 0 for no limit."})
    num_train_epochs: float = field(default=4.0, metadata={"help": "Epochs."})
    per_device_train_batch_size: int = field(default=2048, metadata={"help": "Texts in a batch of a rank."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint: no, steps, epoch."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept."})
    logging_steps: float = field(default=20, metadata={"help": "Steps between logs of the loss."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "End with the best checkpoint."})
    metric_for_best_model: str | None = field(
        default="eval_cosine", metadata={"help": "Figure of the held-out texts that chooses the best checkpoint."}
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Stop after so many evaluations without a better figure."}
    )
    shrink_rare_rows: bool = field(
        default=True,
        metadata={"help": "At the end draw rows of rare entries back to what frequent ones foretell, if that helps."},
    )
    ddp_broadcast_buffers: bool | None = field(
        default=False, metadata={"help": "Send buffers to all ranks at each step; they are equal anyway."}
    )
    search_trials: int = field(
        default=0, metadata={"help": "Trials of a search for learning rates before the run; needs optuna."}
    )

    def __post_init__(self):
        if self.loss is not None:
            parse_loss(self.loss)
        _expect("row_updates", self.row_updates, ("lazy", "dense"))
        if not 0 <= self.final_learning_rate <= 1:
            raise ValueError(
                f"Expected final_learning_rate from 0 to 1, a share, got {self.final_learning_rate}. Correct it."
            )
        super().__post_init__()

    def always_written(self):
        """Returns what a config of the run says for arguments that `resolved_config` leaves out, `dict`."""
        return {"lr_scheduler_type": self.lr_scheduler_type.value}


TYPES = (StudentArguments, TeacherArguments, DistillationTrainingArguments)


def parse_distillation(argv, description=None):
    """Returns the filled `TYPES` of a YAML file and `--key value` overrides, see `parse_run`."""
    return parse_run(argv, description, TYPES)


def _expect(name, value, choices):
    if value not in choices:
        raise ValueError(f"Expected {name} of {', '.join(choices)}, got {value!r}. Set --{name} to one of these.")
