//! TLS to the database: rustls, the certificate and the name always checked.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of `sslrootcert`.
    #[error("sslrootcert: {} holds no certificates that can be read (PEM)", .0.display())]
    Roots(PathBuf),
    /// rustls refuses.
    #[error("TLS cannot be set up")]
    Config(#[source] rustls::Error),
}

/// Trusts the certificates of this file, or those that browsers trust.
pub fn connector(roots: Option<&str>) -> Result<MakeRustlsConnect, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        None | Some("system") => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let unreadable = || TlsError::Roots(file.into());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unreadable())? {
                store.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
            }
            if store.is_empty() {
                return Err(unreadable());
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(store).with_no_client_auth()))
}
