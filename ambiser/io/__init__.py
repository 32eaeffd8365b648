"""Files and the console: atomic writing, Kaldi tables and arks, audio, paths, logging and provenance."""
