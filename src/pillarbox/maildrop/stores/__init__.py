"""The built-in stores. Each keeps the promise of `pillarbox.maildrop.maildrop`; one conformance kit proves it."""
