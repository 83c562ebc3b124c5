"""Trace dock."""
