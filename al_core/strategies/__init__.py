"""Query strategies, one file each; `specs` describes them, `query` chooses one."""
