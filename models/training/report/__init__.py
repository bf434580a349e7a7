"""What is told of a training: the model card, the figures behind it with their intervals, and the page."""
