"""torchtitan under this project's launcher: its trainer, fed from the same token folders."""
