"""Speech language models behind an OpenAI-compatible endpoint as a baseline: prompts, requests, answers."""
