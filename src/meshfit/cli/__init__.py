"""The `meshfit` command."""
