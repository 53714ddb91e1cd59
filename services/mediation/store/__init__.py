"""All SQL of mediation: `cases` for use cases, `views` for lists and files, `copies` of what others own."""
