"""`python -m docs.make`: make every page that is made from code or records."""

from docs.make.pages import main

main()
