"""Every door to the scores: batch scoring, the prediction service, the command line, the page."""
