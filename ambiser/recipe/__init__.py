"""Code that the programs share: options, experiments, jobs, checks, inputs, systems to score."""
