"""What pages are made of. Each part says in its docstring what it is for; `/parts` shows them all to developers."""
