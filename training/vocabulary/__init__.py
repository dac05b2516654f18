"""Which entries an n-gram vocabulary has: counting, choosing, embedding, importing, editing."""
