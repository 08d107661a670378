"""Fine-tuning an adapter on packed rows."""
