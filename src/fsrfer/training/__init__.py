"""Training: steps that read like the method, one loop for all of them, checkpoints that resume exactly."""
