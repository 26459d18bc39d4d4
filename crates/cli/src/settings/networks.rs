//! A list of addresses and networks, as people write it: `10.0.0.0/8, ::1`, or a TOML list of the same.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// Addresses and networks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Networks(pub Vec<IpNet>);

/// In a file it may be a list; in a variable or a flag it is one string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<String>),
    Line(String),
}

impl TryFrom<Written> for Networks {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let entries = match written {
            Written::List(entries) => entries,
            Written::Line(line) => line.split(',').map(str::to_owned).collect(),
        };
        let entries = entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty() && *entry != "none");
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }
}

fn read(entry: &str) -> Result<IpNet, String> {
    let address = entry.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| entry.parse()).map_err(|_| {
        format!("{entry:?} is neither an address nor a network; write them like 127.0.0.1, 10.0.0.0/8, or none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_in_a_line_or_a_list() {
        let line = |text: &str| Networks::try_from(Written::Line(text.to_owned())).map(|networks| networks.0.len());
        assert_eq!(line("127.0.0.1, 10.0.0.0/8,::1, fd00::/8"), Ok(4));
        assert_eq!(line("none"), Ok(0));
        assert_eq!(line(""), Ok(0));
        let list = Written::List(vec!["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned()]);
        assert_eq!(Networks::try_from(list).map(|networks| networks.0.len()), Ok(2));
        for bad in ["localhost", "10.0.0.0/33", "10.0.0.1:80"] {
            assert!(line(bad).is_err_and(|error| error.contains(bad)), "{bad}");
        }
    }
}
