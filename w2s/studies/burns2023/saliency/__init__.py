"""Does finetuning on weak labels make a concept more linear: probes on the features of frozen and of finetuned models."""
