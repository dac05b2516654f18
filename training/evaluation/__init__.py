"""How good vectors are: retrieval, fusion with words, cascade, similarity of sentences."""
