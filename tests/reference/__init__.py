"""The reference of the policy's keys and of the codes: its words, and the page that is made of them."""
