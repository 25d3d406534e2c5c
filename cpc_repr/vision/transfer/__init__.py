"""What frozen and fine-tuned features are good for."""
