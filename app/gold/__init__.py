"""Gold clips: known answers by which annotators are measured, and the qualification set."""
