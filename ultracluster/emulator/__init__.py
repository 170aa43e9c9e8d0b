"""An emulated AWS for rehearsals: start it with `process.Emulator`."""
