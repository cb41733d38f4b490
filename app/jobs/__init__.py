"""Long work: a queue in the project's own database, the executor that runs it, and one file a kind."""
