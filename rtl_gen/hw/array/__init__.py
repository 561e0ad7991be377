"""The PE array."""
