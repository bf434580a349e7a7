"""What a bundle tells a worker, so that it can watch the model."""
