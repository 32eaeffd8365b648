"""What the programs share: options, experiments by name, jobs of a stage, checks, inputs."""
