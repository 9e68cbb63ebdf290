"""Names the rule behind a crash, from the text it left."""
