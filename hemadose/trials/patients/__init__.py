"""Virtual patients: who they are, what happens to them, what can be measured."""
