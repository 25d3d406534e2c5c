"""Networks that turn pictures and patches into features."""
