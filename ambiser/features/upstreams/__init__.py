"""Pre-trained speech and text models: loading them, and one utterance or a batch through them."""
