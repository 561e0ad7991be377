"""Networks: model files read into a graph of layers, and what such a graph gives in numpy."""
