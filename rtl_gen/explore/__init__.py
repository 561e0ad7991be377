"""Many designs: sweeps over parameters and which of their points are worth having."""
