"""Health: is the process up, can it work, what has it done."""
