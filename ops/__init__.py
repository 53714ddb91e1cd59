"""What a person who runs Heshi runs: the `heshi` command and the embedded stack behind it."""
