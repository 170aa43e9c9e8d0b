"""What will be built, what will change and what it risks, on one page."""
