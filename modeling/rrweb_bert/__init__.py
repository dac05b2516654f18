"""RRWebBERT, a bidirectional encoder of rrweb sessions. This file stays here; its siblings go to the Hub."""

AUTO_CLASSES = [
    {
        "AutoConfig": "traceformers.modeling.rrweb_bert.configuration_rrweb_bert.RRWebBertConfig",
        "AutoTokenizer": "traceformers.tokenization.rrweb.tokenization_rrweb.RRWebTokenizer",
        "AutoModel": "traceformers.modeling.rrweb_bert.modeling_rrweb_bert.RRWebBertModel",
        "AutoModelForMaskedLM": "traceformers.modeling.rrweb_bert.modeling_rrweb_bert.RRWebBertForMaskedLM",
        "AutoModelForSequenceClassification": (
            "traceformers.modeling.rrweb_bert.modeling_rrweb_bert.RRWebBertForSequenceClassification"
        ),
        "AutoModelForNextSentencePrediction": (
            "traceformers.modeling.rrweb_bert.modeling_rrweb_bert.RRWebBertForNextAction"
        ),
    },
    {
        "AutoConfig": "traceformers.modeling.rrweb_bert.configuration_rrweb_trimodal.RRWebTrimodalConfig",
        "AutoTokenizer": "traceformers.tokenization.rrweb.tokenization_rrweb.RRWebTokenizer",
        "AutoProcessor": "traceformers.modeling.rrweb_bert.processing_rrweb_trimodal.RRWebTrimodalProcessor",
        "AutoModel": "traceformers.modeling.rrweb_bert.modeling_rrweb_trimodal.RRWebTrimodalModel",
    },
]
