"""What tests share: infrastructure, a small toy service over the real mechanisms, waiting."""
