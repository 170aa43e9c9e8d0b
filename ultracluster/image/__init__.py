"""The command `ultracluster image`: compares the newest image to the pinned one."""
