//! The settings of the hosted pages.

use std::{fs, net::SocketAddr};

use matrix_2fa::{Accent, Branding, Logo};
use url::Url;

use super::Settings;
use crate::failure::Failure;

/// Pages stay small, also with the operator's picture.
const LARGEST_LOGO: usize = 10 * 1024;

impl Settings {
    /// What would otherwise be found out only when the server starts.
    pub(super) fn check_pages(&self) -> Result<(), Failure> {
        if let Some(url) = &self.public_base_url {
            let plain = |url: &Url| {
                url.has_host() && url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
            };
            if !Url::parse(url).is_ok_and(|url| plain(&url)) {
                return Err(Failure::start("public_base_url: write an address like https://matrix.example.org"));
            }
        }
        self.trusted_clients()?;
        self.branding().map(drop)
    }

    pub(super) fn branding(&self) -> Result<Branding, Failure> {
        let accent = match &self.brand_color {
            None => None,
            Some(color) => Some(
                Accent::parse(color)
                    .ok_or_else(|| Failure::start("brand_color: write a colour like #0b6e4f".to_owned()))?,
            ),
        };
        let logo = match &self.brand_logo {
            None => None,
            Some(file) => {
                let bytes = fs::read(file)
                    .map_err(|error| Failure::start(format!("brand_logo: cannot read {}: {error}", file.display())))?;
                if bytes.len() > LARGEST_LOGO {
                    return Err(Failure::start("brand_logo: the file must not be larger than 10 KiB"));
                }
                let logo = Logo::new(&file.to_string_lossy(), bytes);
                Some(logo.ok_or_else(|| Failure::start("brand_logo: the file must be an svg, png, webp or jpeg"))?)
            }
        };
        Ok(Branding { name: self.brand_name.clone(), accent, logo })
    }

    /// Origins as browsers write them, so that they can be compared.
    pub(super) fn trusted_clients(&self) -> Result<Vec<String>, Failure> {
        let listed = self.trusted_clients.as_deref().unwrap_or_default().split(',').map(str::trim);
        listed.filter(|entry| !entry.is_empty()).map(origin).collect()
    }
}

fn origin(entry: &str) -> Result<String, Failure> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-:[]/".contains(c);
    let url = Url::parse(entry).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.path() == "/");
    let origin = url.map(|url| url.origin().ascii_serialization()).filter(|origin| origin.chars().all(legal));
    origin.ok_or_else(|| {
        Failure::start(format!("trusted_clients: {entry:?} is no origin; write one like https://app.example.org"))
    })
}

/// Where a browser on this machine finds a server that listens here.
pub(super) fn local_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}
