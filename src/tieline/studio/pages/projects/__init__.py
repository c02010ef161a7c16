"""Projects: the list, one project's settings and secrets, making and deleting one."""
