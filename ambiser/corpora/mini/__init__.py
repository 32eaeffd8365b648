"""The made-up corpus: sentences, voices and raters from a program, in the files of the IEMOCAP release."""
