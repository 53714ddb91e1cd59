"""What every service stands on: events, messaging, database, web, privacy, clocks, runtime, testing."""
