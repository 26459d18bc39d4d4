//! matrix-2fa
