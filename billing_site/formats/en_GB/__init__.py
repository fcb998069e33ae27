"""British English, the language of the finance desk."""
