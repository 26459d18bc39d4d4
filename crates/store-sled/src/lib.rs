//! matrix-2fa-store-sled
