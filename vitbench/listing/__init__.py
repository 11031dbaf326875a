"""Runs as rows of a table: what a list of many runs shows, filters, sorts and groups by, on screens and in commands."""
