"""Pictures of a dataflow: the array with its links, and which PE uses what in each step."""
