"""When to stop labelling: criteria over a learning curve and over predictions, and the advice they add up to."""
