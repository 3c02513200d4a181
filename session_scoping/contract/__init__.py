"""What all halves of the library agree on: tags, key formats, names, tokens, Metadata. Standard library only."""
