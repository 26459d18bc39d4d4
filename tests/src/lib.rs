//! matrix-2fa-conformance
