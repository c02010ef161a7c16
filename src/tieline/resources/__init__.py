"""The resource file: YAML to typed resources with lines, what an apply would change, and back to YAML."""
