"""Pre-trained speech and text models: load them, and run an utterance or a batch through them."""
