"""The machine image of an environment: today's beside the pinned one, written into its file."""
