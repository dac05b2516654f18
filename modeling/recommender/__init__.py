"""Recommenders: scores of all items after a history. This file stays here; its siblings go to the Hub."""

_KINDS = {
    "bert4rec": "Bert4Rec",
    "sasrec": "SASRec",
    "multivae": "MultiVAE",
    "ease": "EASE",
    "popularity": "Popularity",
    "ensemble": "EnsembleRecommender",
}

AUTO_CLASSES = [
    {
        "AutoConfig": f"traceformers.modeling.recommender.configuration_{module}.{name}Config",
        "AutoTokenizer": "traceformers.tokenization.item.tokenization_item.ItemTokenizer",
        "AutoModel": f"traceformers.modeling.recommender.modeling_{module}.{name}Model",
    }
    for module, name in _KINDS.items()
]
