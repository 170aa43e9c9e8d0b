"""What templates build, change and risk, in one page."""
