"""What people read: explanations of a design, tables of layers, the show of `make run`."""
