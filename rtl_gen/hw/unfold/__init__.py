"""The unfold unit: from rows of a packed image to the words of folded windows."""
