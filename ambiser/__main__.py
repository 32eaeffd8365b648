"""Makes `python -m ambiser` the command `ambiser`."""

from ambiser.bin.ambiser import start

if __name__ == "__main__":
    start()
