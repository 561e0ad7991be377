"""The host's side: programs as files, and accelerators that run them."""
