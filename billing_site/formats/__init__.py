"""How dates are typed in: one module for each language, as Django's FORMAT_MODULE_PATH reads them."""
