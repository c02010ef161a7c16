"""Call Handoffs: the destinations of a project as cards, and the form that makes and changes one."""
