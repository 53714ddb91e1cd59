"""The SMS gateway and the phones behind it, for development, demo and tests."""
