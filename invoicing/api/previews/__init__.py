"""REST endpoints of previews."""
