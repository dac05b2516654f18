"""Where the feed gets activity, videos and opinions from: one small class a source."""
