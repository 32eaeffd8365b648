"""Trains one stage on one fold: data, tasks, loop, checkpoints, predictions."""
