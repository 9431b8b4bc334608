"""One module for each group of commands; each reads its options and says what came of it."""
