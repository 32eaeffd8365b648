"""Speech and text features: the models that make them, and their extraction."""
