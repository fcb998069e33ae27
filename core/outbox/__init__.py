"""Things to tell the outside world, stored with the change that caused them and delivered afterwards."""
