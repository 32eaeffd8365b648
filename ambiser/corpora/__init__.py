"""Corpora: parsers, the folds of every protocol, the leak guard, and the data folder of stage 1."""
