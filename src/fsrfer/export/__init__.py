"""From trained weights to one sealed model file."""
