"""`python -m proofyard`."""

from proofyard.cli import main

if __name__ == "__main__":
    main()
