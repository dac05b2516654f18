"""The n-gram encoder, sentence vectors by table look-up. This file stays here; its siblings go to the Hub."""

AUTO_CLASSES = [
    {
        "AutoConfig": "traceformers.modeling.ngram_encoder.configuration_ngram_encoder.NgramEncoderConfig",
        "AutoTokenizer": "traceformers.tokenization.ngram.tokenization_ngram.NgramTokenizer",
        "AutoModel": "traceformers.modeling.ngram_encoder.modeling_ngram_encoder.NgramEncoderModel",
    }
]
