"""What joins memory words to lanes, and lanes to words."""
