"""The finance desk: roles, navigation, the start page, and admin pages that cross apps."""
