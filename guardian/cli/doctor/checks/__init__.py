"""The checks of `guardian doctor`: each looks at one thing, changes nothing, and needs no other."""
