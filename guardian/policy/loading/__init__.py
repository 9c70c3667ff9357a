"""From the text of a policy file to a policy: parsing, examples, warnings."""
