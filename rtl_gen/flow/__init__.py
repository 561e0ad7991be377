"""From a design to files."""
