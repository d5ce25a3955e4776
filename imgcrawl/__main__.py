"""``python -m imgcrawl``."""

from imgcrawl.program import main

if __name__ == "__main__":
    main()
