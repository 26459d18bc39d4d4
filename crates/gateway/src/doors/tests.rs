use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const V3: &str = "/_matrix/client/v3/";

fn judged(method: &str, path: &str) -> Result<Way, Unreadable> {
    way(&Method::from_bytes(method.as_bytes()).expect("a method"), path, Opened::default())
}

#[test]
fn r49_spec_doors_says_what_the_table_says() {
    let mut rows = String::new();
    for Door { methods, path, treatment, why } in TABLE {
        let methods = if *methods == "*" { "every method" } else { methods };
        let _ = writeln!(rows, "| {methods} | `{path}` | {} | {why} |", format!("{treatment:?}").to_lowercase());
    }
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/doors.md")).expect("spec/doors.md");
    let written: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    let table: Vec<&str> = rows.lines().collect();
    assert_eq!(written, table, "the rows of spec/doors.md must be these:\n{rows}");
}

#[test]
fn r49_every_spelling_of_a_guarded_path_is_guarded_or_nothing() {
    for path in [
        "v3/login",
        "r0/login",
        "v1/login",
        "v9/login",
        "unstable/login",
        "api/v1/login",
        "unstable/org.example.msc1/login",
    ] {
        let way = judged("POST", &format!("/_matrix/client/{path}"));
        assert!(matches!(way, Ok(Way::Guard(_))), "{path}: {way:?}");
    }
    for path in [
        "//_matrix//client//v3//login",
        "/_matrix/client/v3//login",
        "/_matrix/client/v3/%6cogin",
        "/_matrix/client/v3/%256cogin",
        "/_matrix/client/v3/%25256cogin",
        "/_matrix/client/v3/%2525256cogin",
        "/%5fmatrix/client/v3/login",
        "/_matrix/client/v3/login/",
        "/_matrix/client/v3/login%2f",
        "/_matrix/client/v3/login;x=y",
        "/_matrix/client/v3/login%3Bx",
        "/_matrix/client/v3/;x/login",
        "/_matrix/client/v3/Login",
        "/_MATRIX/client/v3/login",
        "/_matrix/client/V3/login",
        "/_matrix/client/v3/./login",
        "/_matrix/client/v3/rooms/../login",
        "/_matrix/client/v3/rooms/%2e%2e/login",
        "/_matrix/client/v3/rooms/..%2flogin",
        "/_matrix/client/v3/rooms/%252e%252e/login",
        "/_matrix/client/v3/rooms/..;/login",
        "/_matrix/client%2Fv3%2Flogin",
        "/_matrix%2Fclient%2Fv3%2Flogin",
        "/_matrix/client/v3\\login",
        "/_matrix/client/v3%5clogin",
        "/_matrix/client/v3/login%00",
        "/_matrix/client/v3/login%0a",
        "/_matrix/client/v3/login%",
        "/_matrix/client/v3/login%4",
        "/_matrix/client/v3/login%ff",
        "/_matrix/client/v3/logi\u{14b}",
        "/_matrix/client/v2_alpha/login",
        "/_matrix/client/r1/login",
        "/_matrix/client/x/login",
        "/_matrix/client/login",
        "_matrix/client/v3/login",
        "",
    ] {
        let way = judged("POST", path);
        assert!(!matches!(way, Ok(Way::Watch | Way::Stream)), "{path}: {way:?}");
        assert!(!matches!(way, Ok(Way::Guard(_))), "no client needs {path}: {way:?}");
    }
}

#[test]
fn what_clients_send_gets_through() {
    let long = "a".repeat(1000);
    for (method, path, wanted) in [
        ("GET", "sync", Way::Stream),
        ("GET", "rooms/!abC%3Aexample.org/messages", Way::Stream),
        ("GET", "rooms/!abC:example.org/messages", Way::Stream),
        ("PUT", "rooms/%21a%3Ab/state/m.room.member/%40A%2Fb%3Ac", Way::Stream),
        ("PUT", "rooms/%21a%3Ab/state/m.room.name/", Way::Stream),
        ("PUT", "rooms/%21a%3Ab/state/widget/https%3A%2F%2Fexample.org%2F%3Fa%25b", Way::Stream),
        ("GET", "rooms/!a:b/event/%24abc%2Fdef%2B1", Way::Stream),
        ("GET", "directory/room/%23a%2Fb%3Ac", Way::Stream),
        ("GET", "pushrules/", Way::Stream),
        ("GET", "pushrules/global/", Way::Stream),
        ("GET", "user/%40a%2Fb%3Ac/filter/1", Way::Watch),
        ("GET", "profile/@Alice:example.org", Way::Stream),
        ("GET", "profile/@alice:[::1]:8448/displayname", Way::Stream),
        ("GET", "devices", Way::Stream),
        ("PUT", "devices/ABC", Way::Stream),
        ("DELETE", "devices/ABC%2Fd", Way::Guard(None)),
        ("OPTIONS", "devices/ABC", Way::Guard(None)),
        ("POST", "devices/ABC", Way::NoMethod),
        ("PUT", "login", Way::NoMethod),
        ("OPTIONS", "login", Way::Guard(None)),
        ("HEAD", "login", Way::Guard(None)),
        ("POST", "user/@a:b/openid/request_token", Way::Stream),
        ("POST", "refresh", Way::Stream),
        ("POST", "something/new", Way::Watch),
        ("GET", &long, Way::Watch),
    ] {
        assert_eq!(judged(method, &format!("{V3}{path}")), Ok(wanted), "{method} {path}");
    }
    assert_eq!(judged("GET", "/"), Ok(Way::Watch));
    assert_eq!(judged("GET", "/_matrix/client/versions"), Ok(Way::Guard(None)));
    assert_eq!(judged("GET", "/_matrix/client/v1/media/download/a/b"), Ok(Way::Stream));
    assert_eq!(judged("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"), Ok(Way::Stream));
    assert_eq!(judged("POST", "/_synapse/client/pick_username"), Ok(Way::Watch));
}

#[test]
fn guarded_paths_are_known_under_one_name() {
    fn guard(method: &str, path: &str) -> Option<String> {
        match judged(method, path) {
            Ok(Way::Guard(canonical)) => canonical,
            other => panic!("{path}: {other:?}"),
        }
    }
    for path in ["v1/login/get_token", "unstable/org.matrix.msc3882/login/get_token", "v3/login/get_token"] {
        let canonical = guard("POST", &format!("/_matrix/client/{path}"));
        assert_eq!(canonical.as_deref(), Some("/_matrix/client/v1/login/get_token"));
    }
    assert_eq!(
        guard("POST", "/_matrix/client/unstable/keys/device_signing/upload").as_deref(),
        Some("/_matrix/client/v3/keys/device_signing/upload")
    );
    assert_eq!(guard("DELETE", "/_matrix/client/v1/devices/A%42").as_deref(), Some("/_matrix/client/v3/devices/A%42"));
    assert_eq!(guard("DELETE", "/_matrix/client/r0/devices/A"), None);
}

#[test]
fn administration_is_closed_until_it_is_opened() {
    let admin = Opened { admin: true, oauth: false };
    for path in
        ["/_synapse/admin/v1/users/@a:b/login", "/_conduwuit/x", "/_dendrite/admin/x", "/_tuwunel/oidc/token", "/_new"]
    {
        assert_eq!(judged("POST", path), Ok(Way::Nowhere), "{path}");
        assert_eq!(way(&Method::POST, path, admin), Ok(Way::Watch), "{path}");
    }
    let metadata = "/_matrix/client/v1/auth_metadata";
    assert_eq!(judged("GET", metadata), Ok(Way::Nowhere));
    assert_eq!(way(&Method::GET, metadata, admin), Ok(Way::Nowhere));
    assert_eq!(way(&Method::GET, metadata, Opened { admin: false, oauth: true }), Ok(Way::Watch));
    assert_eq!(judged("POST", "/_synapse/client%2f..%2fadmin/v1/x"), Err(Unreadable::Segments));
    assert_eq!(judged("POST", "/_synapse%2Fadmin/v1/x"), Ok(Way::Nowhere));
    assert_eq!(judged("POST", "/%5fsynapse/admin/v1/x"), Err(Unreadable::Ambiguous));
}

/// What a lenient upstream could make of a path: everything that is known of any of them, at once, as often as it changes something.
fn most_lenient(path: &str) -> String {
    let mut text = path.to_owned();
    loop {
        let decoded =
            percent_encoding::percent_decode_str(&text).decode_utf8_lossy().replace('\\', "/").to_ascii_lowercase();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default().trim_matches(|c: char| c.is_control() || c == ' ') {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// A guarded path, and what somebody would write to have it not look like one.
fn mangled() -> impl Strategy<Value = (String, String)> {
    let doors = prop::sample::select(vec![
        ("POST", "login"),
        ("POST", "login/get_token"),
        ("POST", "account/password"),
        ("POST", "account/deactivate"),
        ("POST", "delete_devices"),
        ("DELETE", "devices/abc"),
        ("POST", "keys/device_signing/upload"),
    ]);
    let version = prop::sample::select(vec!["v3", "r0", "v1", "unstable", "api/v1", "unstable/org.matrix.msc1"]);
    let mangle = prop::collection::vec((any::<prop::sample::Index>(), 0..14_u8), 0..4);
    (doors, version, mangle).prop_map(|((method, path), version, mangles)| {
        let mut path = format!("/_matrix/client/{version}/{path}");
        for (index, kind) in mangles {
            let at = index.index(path.len());
            let (before, after) = (path[..at].to_owned(), path[at..].to_owned());
            let first = after.chars().next().map(String::from).unwrap_or_default();
            let rest = after.get(first.len()..).unwrap_or_default();
            let byte = first.bytes().next().unwrap_or_default();
            path = match kind {
                0 => format!("{before}%{byte:02x}{rest}"),
                1 => format!("{before}%{byte:02X}{rest}"),
                2 => format!("{before}%25{byte:02x}{rest}"),
                3 => format!("{before}{}{rest}", first.to_ascii_uppercase()),
                4 => format!("{before}/{after}"),
                5 => path.replacen('/', "//", 1 + usize::from(byte) % 5),
                6 => path.replace("/client/", "/client/x/../"),
                7 => format!("{path}/"),
                8 => format!("{path};a=b"),
                9 => path.replacen("client", "client;a", 1),
                10 => path.replacen("/_matrix/client/", "/_matrix%2Fclient%2f", 1),
                11 => format!("/_matrix/media/..{path}"),
                12 => format!("{V3}rooms/a%2F..%2F..%2F{}", path.rsplit('/').next().unwrap_or_default()),
                _ => format!("{before}%2e%2E/{after}"),
            };
            if !path.is_ascii() {
                break;
            }
        }
        (method.to_owned(), path)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// What the most lenient of all upstreams takes for a guarded endpoint never goes to it.
    #[test]
    fn r49_no_spelling_of_a_guarded_path_reaches_the_upstream((method, path) in mangled()) {
        let lenient = judged(&method, &most_lenient(&path));
        let way = judged(&method, &path);
        if matches!(lenient, Ok(Way::Guard(_))) {
            prop_assert!(!matches!(way, Ok(Way::Watch | Way::Stream)), "{} {}: {:?}", method, path, way);
        }
    }

    /// Whatever bytes come, there is an answer.
    #[test]
    fn any_path_is_judged(path in "\\PC{0,80}", tail in "[/%.;a-zA-Z0-9_]{0,40}") {
        let _ = judged("POST", &path);
        let _ = judged("POST", &format!("/{tail}"));
        let _ = judged("DELETE", &format!("{V3}{tail}"));
    }
}
