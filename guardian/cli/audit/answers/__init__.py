"""The commands that answer a question from the whole log: about one order, about trading, about its numbers."""
