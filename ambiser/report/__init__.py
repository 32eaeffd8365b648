"""Tables, figures and pages of results and of data."""
