"""Mails and other messages that leave the system, stored with the change that caused them and delivered afterwards."""
