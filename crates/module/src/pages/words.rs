//! The languages of the pages and the notices. Texts live in `locales/`, a file a language; Accept-Language chooses.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use http::{HeaderMap, header::ACCEPT_LANGUAGE};
use unic_langid::{LanguageIdentifier, langid};

type Bundle = FluentBundle<FluentResource>;

const SOURCES: [(&str, LanguageIdentifier, &str); 3] = [
    ("en", langid!("en"), include_str!("../../locales/en.ftl")),
    ("de", langid!("de"), include_str!("../../locales/de.ftl")),
    ("fr", langid!("fr"), include_str!("../../locales/fr.ftl")),
];

static BUNDLES: LazyLock<Vec<(&str, Bundle)>> =
    LazyLock::new(|| SOURCES.into_iter().map(|(name, id, source)| (name, bundle(id, source))).collect());

fn bundle(id: LanguageIdentifier, source: &str) -> Bundle {
    // A test parses the files; what could not be read would be left out here.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(readable, _errors)| readable);
    let mut bundle = Bundle::new_concurrent(vec![id]);
    // What people can choose themselves stands in elements of its own, never inside a sentence.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// One visitor's language.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    /// For the `lang` of a page.
    pub(crate) language: &'static str,
    bundle: Option<&'static Bundle>,
}

impl Words {
    /// The first language of ours that the visitor asks for, else English.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // The weights are sorted as numbers; "nan" is none.
        let sane = asked.len() <= 500 && !asked.to_ascii_lowercase().contains("nan");
        let wishes = if sane { accept_language::parse(asked) } else { Vec::new() };
        let primary = wishes.iter().filter_map(|wish| wish.split('-').next());
        let known = |wish: &str| BUNDLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(wish));
        let found = primary.filter_map(known).next().or_else(|| BUNDLES.first());
        Self { language: found.map_or("en", |(name, _)| name), bundle: found.map(|(_, bundle)| bundle) }
    }

    /// This language, if it is one of ours, else English.
    pub(crate) fn of(language: &str) -> Self {
        let found = BUNDLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(language)).or_else(|| BUNDLES.first());
        Self { language: found.map_or("en", |(name, _)| name), bundle: found.map(|(_, bundle)| bundle) }
    }

    /// A text.
    pub(crate) fn say(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// A text with something put in.
    pub(crate) fn put(&self, key: &str, name: &str, value: &str) -> String {
        let mut arguments = FluentArgs::new();
        arguments.set(name, value);
        self.format(key, Some(&arguments))
    }

    /// A text about a number of things.
    pub(crate) fn count(&self, key: &str, count: u64) -> String {
        let mut arguments = FluentArgs::new();
        arguments.set("count", FluentValue::from(count));
        self.format(key, Some(&arguments))
    }

    fn format(&self, key: &str, arguments: Option<&FluentArgs<'_>>) -> String {
        let pattern = self.bundle.and_then(|bundle| Some((bundle, bundle.get_message(key)?.value()?)));
        match pattern {
            Some((bundle, pattern)) => bundle.format_pattern(pattern, arguments, &mut Vec::new()).into_owned(),
            None => key.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
