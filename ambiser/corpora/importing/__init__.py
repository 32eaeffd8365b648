"""Turns a table of labels as people keep them, and a folder of audio, into a Kaldi data directory."""
