"""The console command, and the only code that talks to AWS or to what stands in for it."""
