"""One program a stage, and the few that a recipe needs beside them; each is `python -m ambiser.bin.NAME`."""
