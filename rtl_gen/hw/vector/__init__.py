"""The vector unit: pools, tables, softmax and layer normalization beside the array."""
