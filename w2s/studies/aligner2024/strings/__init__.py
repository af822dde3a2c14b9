"""Correctors of prompts with checked answers: small decoders, trained from scratch, through the finetunes of texts."""
