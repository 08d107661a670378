"""Fine-tuning of a LoRA adapter on packed batches."""
