//! Who may: bundle format, casbin authoriser, classification and redaction.
