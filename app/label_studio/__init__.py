"""Label Studio as the annotators' front end, and its JSON as a format: clips out, annotations back."""
