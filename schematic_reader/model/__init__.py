"""The vision-language model: loading, encoding, training and asking. The only package that imports torch."""
