"""Training of one stage on one fold: data, loop, checkpoints."""
