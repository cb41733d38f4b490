"""The service: HTTP, database, files, jobs, pages and the command line."""
