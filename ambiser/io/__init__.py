"""Files: atomic writing, Kaldi tables, arks, audio, logging and the record of a run."""
