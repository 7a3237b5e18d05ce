//! Path segments from hostile text: refused before any request, or encoded into one harmless segment.

use neon_mcp::neon::{PathSegment, Read, SegmentError};
use proptest::prelude::*;

#[test]
fn dots_are_refused_in_every_spelling() {
    let spellings = [
        ".",
        "..",
        "%2e",
        "%2E",
        "%2e%2e",
        "%2E%2e",
        ".%2E",
        "%2e.",
        "%252e",
        "%252e%252e",
        "%252e.",
        ".%25252e",
        "%25252525252e%2e",
        "%2%65",
        "%%32%65",
        "%u002e%u002e",
        "%c0%ae%c0%ae",
        "%e0%80%ae.",
        "%f0%80%80%ae",
        "\u{2024}",
        "\u{2024}\u{2024}",
        "\u{2025}",
        "\u{2026}",
        "\u{FF0E}\u{FF0E}",
        "\u{FE52}\u{FE52}",
        "\u{3002}\u{3002}",
        "\u{FF61}.",
        ".\u{2024}",
        "\u{2026}.%2e",
        "%e2%80%a4%2e",
        "%EF%BC%8E\u{FF0E}",
        "%25ef%25bc%258e.",
        " .. ",
        "..%20",
        "%20..",
        "\u{3000}..",
    ];
    for text in spellings {
        assert_eq!(PathSegment::name(text), Err(SegmentError::Dots), "{text:?}");
    }
}

#[test]
fn dots_inside_a_name_are_a_name() {
    for (text, encoded) in [
        ("...", "..."),
        ("a..b", "a..b"),
        (".hidden", ".hidden"),
        ("v1.2", "v1.2"),
        ("%2e%2e%2e", "%252e%252e%252e"),
        ("名。前", "%E5%90%8D%E3%80%82%E5%89%8D"),
    ] {
        assert_eq!(PathSegment::name(text).unwrap().as_str(), encoded);
    }
}

#[test]
fn hidden_characters_are_refused() {
    let hidden = [
        '\0',
        '\u{1}',
        '\t',
        '\n',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{80}',
        '\u{85}',
        '\u{9f}',
        '\u{61c}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202b}',
        '\u{202c}',
        '\u{202d}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2067}',
        '\u{2068}',
        '\u{2069}',
        '\u{feff}',
        '\u{ad}',
        '\u{e0041}',
    ];
    for character in hidden {
        for text in [
            character.to_string(),
            format!("a{character}b"),
            format!("name{character}"),
        ] {
            assert_eq!(
                PathSegment::name(&text),
                Err(SegmentError::Hidden(u32::from(character))),
                "{text:?}"
            );
        }
    }
}

#[test]
fn length_is_bounded_and_empty_is_refused() {
    assert_eq!(PathSegment::name(""), Err(SegmentError::Empty));
    assert!(PathSegment::name(&"x".repeat(1_024)).is_ok());
    assert_eq!(PathSegment::name(&"x".repeat(1_025)), Err(SegmentError::TooLong));
    assert_eq!(PathSegment::name(&"é".repeat(513)), Err(SegmentError::TooLong));
}

#[test]
fn reserved_characters_are_encoded() {
    for (text, encoded) in [
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("..\\x", "..%5Cx"),
        ("a?b=c", "a%3Fb%3Dc"),
        ("a#b", "a%23b"),
        ("100%", "100%25"),
        ("a;b", "a%3Bb"),
        ("..;", "..%3B"),
        ("a b", "a%20b"),
        ("a@b:c&d+e,f'g(h)*!$", "a%40b%3Ac%26d%2Be%2Cf%27g%28h%29%2A%21%24"),
        ("héllo", "h%C3%A9llo"),
        ("-._~", "-._~"),
    ] {
        assert_eq!(PathSegment::name(text).unwrap().as_str(), encoded);
    }
}

#[test]
fn ids_integers_and_uuids_are_checked() {
    assert!(PathSegment::id("plain-sun-12345678").is_ok());
    for text in ["", "A", "a_b", "a.b", "..", "a/b", "a b", "é", "a\n", &"a".repeat(61)] {
        assert_eq!(PathSegment::id(text), Err(SegmentError::NotAnId), "{text:?}");
    }
    assert_eq!(PathSegment::integer(-7).as_str(), "-7");
    assert!(PathSegment::uuid("a07f8772-1877-4da9-a939-3a3ae62d1d8d").is_ok());
    for text in [
        "",
        "a07f877218774da9a9393a3ae62d1d8d",
        "{a07f8772-1877-4da9-a939-3a3ae62d1d8d}",
        "urn:uuid:a07f8772-1877-4da9-a939-3a3ae62d1d8d",
        "a07f8772-1877-4da9-a939-3a3ae62d1d8/",
    ] {
        assert_eq!(PathSegment::uuid(text), Err(SegmentError::NotAUuid));
    }
}

proptest! {
    /// Whatever is taken stays one segment: the path that goes out is the path that was meant.
    #[test]
    fn a_name_never_leaves_its_place(text in "(\\PC|[./%\\\\2eE5;?#]){0,40}") {
        if let Ok(segment) = PathSegment::name(&text) {
            let read = Read::new("/a/{name}/b", &[("name", segment.clone())]).unwrap();
            let url = url::Url::parse(&format!("https://host{}", read.request().path())).unwrap();
            let parts: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!(parts, ["a", segment.as_str(), "b"]);
            prop_assert!(url.query().is_none() && url.fragment().is_none());
            let decoded = percent_encoding::percent_decode_str(segment.as_str())
                .decode_utf8()
                .unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}
