"""The embedded stack: PostgreSQL, Kafka, the services and the SMS simulator under one supervisor.

Everything lives below one folder (`HESHI_HOME`), nothing needs root, Docker or Java, and nothing survives
its supervisor.
"""
