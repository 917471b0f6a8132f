"""Fine-tuning a language model on labelled rows: at a provider, or here by LoRA; prepared, checked and priced alike."""
