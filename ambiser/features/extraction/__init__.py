"""Stage 2: extracts the features of a corpus in shards with several processes, and reads them for training."""
