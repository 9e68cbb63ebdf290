"""What the wheel knows of transformers' models: facts with symbolic sizes, and the config values they hold for."""
