"""Stage 2: features of a whole corpus in shards, by several processes, and reading them again."""
