"""The vision-language model: device, loading, encoding, packed batches and their attention."""
