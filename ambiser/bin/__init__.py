"""The programs: one per stage, and tools; each runs as `python -m ambiser.bin.NAME`."""
