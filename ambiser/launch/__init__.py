"""Runs jobs: on this machine as memory and GPUs allow, or as arrays of Slurm."""

LAUNCHERS = ("local", "slurm")
