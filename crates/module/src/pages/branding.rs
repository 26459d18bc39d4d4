//! What an operator may change about the look of the pages: a name, a colour, a picture. Nothing that could make them unreadable.

/// How the pages look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branding {
    /// The name over every page; the server name if there is none.
    pub name: Option<String>,
    /// The colour of buttons.
    pub accent: Option<Accent>,
    /// A picture instead of ours.
    pub logo: Option<Logo>,
}

/// A colour `#rrggbb`. Any is allowed: it is used behind text only, and that text is black or white, whichever can be read better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent([u8; 3]);

/// A picture, served by ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Accent {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// As CSS writes it.
    pub fn css(self) -> String {
        let Self([r, g, b]) = self;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// The colour of text on it. The better of the two has a contrast of at least 4.58 to 1 on every colour (WCAG asks for 4.5).
    pub fn text(self) -> &'static str {
        let luminance = self.luminance();
        let (black, white) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
        if black > white { "#000" } else { "#fff" }
    }

    /// Relative luminance of WCAG 2.2.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let Self([r, g, b]) = self;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }
}

impl Logo {
    /// A picture of a kind that browsers show, by the ending of its file name.
    pub fn new(file_name: &str, bytes: Vec<u8>) -> Option<Self> {
        let media_type = match file_name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webp" => "image/webp",
            "jpg" | "jpeg" => "image/jpeg",
            _ => return None,
        };
        Some(Self { media_type, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_be_read_on_every_accent() {
        for (accent, text) in [("#000000", "#fff"), ("#ffffff", "#000"), ("#0b6e4f", "#fff"), ("#ffd100", "#000")] {
            assert_eq!(Accent::parse(accent).expect("a colour").text(), text, "{accent}");
        }
        for n in 0..=255 {
            let grey = Accent([n; 3]);
            let of_text = if grey.text() == "#000" { 0.0 } else { 1.0 };
            let (light, dark) =
                if of_text > grey.luminance() { (of_text, grey.luminance()) } else { (grey.luminance(), of_text) };
            assert!((light + 0.05) / (dark + 0.05) >= 4.5, "{}", grey.css());
        }
    }

    #[test]
    fn what_is_no_colour_or_picture_is_refused() {
        for bad in ["", "red", "#fff", "#12345", "#1234567", "#gggggg", "#12345;"] {
            assert_eq!(Accent::parse(bad), None, "{bad}");
        }
        assert_eq!(Logo::new("logo.html", Vec::new()), None);
        assert_eq!(Logo::new("logo", Vec::new()), None);
    }
}
