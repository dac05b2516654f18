"""Recommenders: scores of all items after a history. This file stays here; its siblings go to the Hub."""

#: File and class of each model type.
_KINDS = {
    "bert4rec": ("bert4rec", "Bert4Rec"),
    "sasrec": ("sasrec", "SASRec"),
    "multivae": ("multivae", "MultiVAE"),
    "ease": ("ease", "EASE"),
    "popularity": ("popularity", "Popularity"),
    "ensemble_recommender": ("ensemble", "EnsembleRecommender"),
}
MODEL_TYPES = tuple(_KINDS)
#: Model types that are solved, not trained: no seed changes them.
CLOSED_FORMS = ("ease", "popularity")

AUTO_CLASSES = [
    {
        "AutoConfig": f"traceformers.modeling.recommender.configuration_{module}.{name}Config",
        "AutoTokenizer": "traceformers.tokenization.item.tokenization_item.ItemTokenizer",
        "AutoModel": f"traceformers.modeling.recommender.modeling_{module}.{name}Model",
    }
    for module, name in _KINDS.values()
]
#: Where the model class of each model type is.
MODEL_CLASSES = {kind: classes["AutoModel"] for kind, classes in zip(MODEL_TYPES, AUTO_CLASSES, strict=True)}
