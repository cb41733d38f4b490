"""The insides of `al_core.train`: one idea a file, and nothing here is imported from elsewhere."""
