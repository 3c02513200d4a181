"""An adopter's two stacks, with session scoping added."""
