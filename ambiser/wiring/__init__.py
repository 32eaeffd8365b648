"""What the programs share: their options, experiments and systems by name, the jobs of stages, the looks of stage 0."""
