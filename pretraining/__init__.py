"""Makes ``models/tiny``, the small base model of the sample profile: geometry, tokenizer and pre-training."""
