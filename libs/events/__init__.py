"""The one language that services share: payloads, envelope, registry, schemas, golden samples."""
