"""The only code that knows MiniStack, the emulator this one is built on.

MiniStack 1.5.33 (PyPI, MIT licence) emulates AWS in pure Python. Its modules are private and
change between releases, so every name that is used is listed in `internals`, and a test compares
that list with what is installed. Nothing outside this package imports `ministack`.
"""
