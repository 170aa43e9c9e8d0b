"""The console command `ultracluster`, and the only code that calls AWS."""
