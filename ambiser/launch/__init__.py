"""Jobs: what one is, what the machine has for them, and running many of them at a time."""

LAUNCHERS = ("local", "slurm")
