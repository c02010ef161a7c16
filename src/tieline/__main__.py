"""`python -m tieline` is the `tieline` command."""

from tieline.cli import main

if __name__ == "__main__":
    main()
