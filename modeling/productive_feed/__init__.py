"""The productive feed: what to watch, by what you were doing. This file stays here; its siblings go to the Hub."""

AUTO_CLASSES = [
    {
        "AutoConfig": "traceformers.modeling.productive_feed.configuration_productive_feed.ProductiveFeedConfig",
        "AutoModel": "traceformers.modeling.productive_feed.modeling_productive_feed.ProductiveFeedModel",
    }
]
