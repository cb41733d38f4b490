"""How good a classifier is: figures with intervals over speakers, of classes, of dimensions, and between groups."""
