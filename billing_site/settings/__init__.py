"""Settings: `base` is common to all; `development`, `test` and `production` say what differs."""
