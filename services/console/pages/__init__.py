"""What a person sees: the two pages with their styles and script, and the words for codes."""
