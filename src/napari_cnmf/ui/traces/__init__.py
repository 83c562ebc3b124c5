"""The trace dock."""
