"""The routes of the admin API: a module for each noun, a function for each route."""
