//! Federation root, member directory and bundle distribution over TUF; yields verified values.
