//! matrix-2fa-engine
