//! A tokeniser of XML that only counts: how long a text or a tag is, how large a cell, how many tags there are.
//!
//! It understands just what bounds the memory of a real parser. Comments, CDATA, document types and processing
//! instructions after the start are refused, because inside them a `<` would not begin a tag; spreadsheet programs
//! write none of them into the parts that are read, and only those are scanned.

/// Longest text or tag. Excel's longest cell is 32,767 characters, escaped at most six-fold.
const TOKEN_BYTES: u64 = 1 << 20;
/// Longest cell or shared text with its markup.
const ITEM_BYTES: u64 = 2 << 20;
/// How much of a tag is kept to look at its attributes.
pub(crate) const TAG_BYTES: usize = 2048;

/// Why a scan stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Something is longer than any real workbook has it.
    Endless(&'static str),
    /// Something that spreadsheet programs do not write.
    Foreign(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Tag,
    Quoted(u8),
}

/// The state of a scan between chunks.
pub(crate) struct XmlScan {
    state: State,
    /// Bytes of the present text or tag.
    token: u64,
    tag: Vec<u8>,
    tags: u64,
    depth: u64,
    /// Depth at which the present cell or shared text was opened, and its bytes so far.
    item: Option<(u64, u64)>,
}

impl XmlScan {
    pub(crate) fn new() -> Self {
        Self { state: State::Text, token: 0, tag: Vec::new(), tags: 0, depth: 0, item: None }
    }

    /// How many tags there were.
    pub(crate) fn tags(&self) -> u64 {
        self.tags
    }

    /// Scans the next bytes; `on_tag` is given the inside of each tag, cut off at [`TAG_BYTES`].
    pub(crate) fn chunk_add(&mut self, chunk: &[u8], on_tag: &mut dyn FnMut(&[u8])) -> Result<(), Scan> {
        // The reader also takes UTF-16, in which nothing here would be recognised; every other encoding it knows has
        // markup in the bytes of ASCII.
        if chunk.contains(&0) {
            return Err(Scan::Foreign("UTF-16 text"));
        }
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = match self.state {
                State::Text => self.text_add(rest),
                State::Tag => self.tag_add(rest, on_tag)?,
                State::Quoted(quote) => self.quoted_add(rest, quote),
            };
            self.token = self.token.saturating_add(used as u64);
            if self.token > TOKEN_BYTES {
                return Err(Scan::Endless("one endless text"));
            }
            if let Some((_, size)) = self.item.as_mut() {
                *size = size.saturating_add(used as u64);
                if *size > ITEM_BYTES {
                    return Err(Scan::Endless("one endless cell"));
                }
            }
            rest = &rest[used..];
        }
        Ok(())
    }

    fn text_add(&mut self, rest: &[u8]) -> usize {
        match rest.iter().position(|byte| *byte == b'<') {
            Some(place) => {
                self.state = State::Tag;
                self.token = 0;
                self.tag.clear();
                place + 1
            }
            None => rest.len(),
        }
    }

    fn tag_add(&mut self, rest: &[u8], on_tag: &mut dyn FnMut(&[u8])) -> Result<usize, Scan> {
        let place = rest.iter().position(|byte| matches!(byte, b'>' | b'"' | b'\''));
        let part = &rest[..place.unwrap_or(rest.len())];
        self.tag_keep(part);
        match self.tag.first() {
            Some(b'!') => return Err(Scan::Foreign("a comment, CDATA or document type")),
            Some(b'?') if self.tags > 0 => return Err(Scan::Foreign("a processing instruction")),
            _ => {}
        }
        let Some(place) = place else { return Ok(rest.len()) };
        if rest[place] == b'>' {
            self.tag_end();
            on_tag(&self.tag);
            self.state = State::Text;
            self.token = 0;
        } else {
            self.tag_keep(&rest[place..=place]);
            self.state = State::Quoted(rest[place]);
        }
        Ok(place + 1)
    }

    fn quoted_add(&mut self, rest: &[u8], quote: u8) -> usize {
        match rest.iter().position(|byte| *byte == quote) {
            Some(place) => {
                self.tag_keep(&rest[..=place]);
                self.state = State::Tag;
                place + 1
            }
            None => {
                self.tag_keep(rest);
                rest.len()
            }
        }
    }

    fn tag_keep(&mut self, part: &[u8]) {
        let space = TAG_BYTES.saturating_sub(self.tag.len());
        self.tag.extend_from_slice(&part[..part.len().min(space)]);
    }

    /// Follows depth. A cell ends where its own depth ends, whatever the closing tag is called, because a lenient
    /// parser reads on across a wrong name.
    fn tag_end(&mut self) {
        self.tags = self.tags.saturating_add(1);
        match self.tag.first() {
            Some(b'?') => {}
            Some(b'/') => {
                self.depth = self.depth.saturating_sub(1);
                if self.item.is_some_and(|(depth, _)| self.depth <= depth) {
                    self.item = None;
                }
            }
            _ if self.tag.last() == Some(&b'/') => {}
            _ => {
                if self.item.is_none() && matches!(local_name(&self.tag), b"c" | b"si") {
                    self.item = Some((self.depth, 0));
                }
                self.depth = self.depth.saturating_add(1);
            }
        }
    }
}

/// The name of a tag without its namespace prefix.
fn local_name(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/').unwrap_or(tag.len());
    let name = &tag[..end];
    name.iter().position(|byte| *byte == b':').map_or(name, |colon| &name[colon + 1..])
}

/// The value of an attribute of a tag, if the tag opens the element named. Prefixes of both are ignored.
pub(crate) fn attribute<'a>(tag: &'a [u8], element: &[u8], name: &[u8]) -> Option<&'a [u8]> {
    if local_name(tag) != element {
        return None;
    }
    let mut rest = &tag[tag.iter().position(u8::is_ascii_whitespace)?..];
    loop {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest = &rest[start..];
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let found = rest[..equals].trim_ascii_end();
        rest = rest[equals + 1..].trim_ascii_start();
        let quote = *rest.first()?;
        let end = rest.iter().skip(1).position(|byte| *byte == quote)? + 1;
        let value = &rest[1..end];
        let found = found.iter().position(|byte| *byte == b':').map_or(found, |colon| &found[colon + 1..]);
        if found == name {
            return Some(value);
        }
        rest = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8]) -> Result<Vec<Vec<u8>>, Scan> {
        let mut tags = Vec::new();
        let mut scan = XmlScan::new();
        for chunk in text.chunks(7) {
            scan.chunk_add(chunk, &mut |tag| tags.push(tag.to_vec()))?;
        }
        Ok(tags)
    }

    #[test]
    fn tags_are_seen_across_chunks_and_quotes_hide_nothing() {
        let tags =
            scan(br#"<?xml version="1.0"?><row r="5" hidden="1"><x:c r="A>5"/></row>"#).expect("plain");
        let texts: Vec<_> = tags.iter().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
        assert_eq!(texts, [r#"?xml version="1.0"?"#, r#"row r="5" hidden="1""#, r#"x:c r="A>5"/"#, "/row"]);
        assert_eq!(attribute(&tags[1], b"row", b"hidden"), Some(&b"1"[..]));
        assert_eq!(attribute(&tags[2], b"c", b"r"), Some(&b"A>5"[..]));
        assert_eq!(attribute(&tags[1], b"c", b"r"), None);
    }

    #[test]
    fn foreign_constructs_and_endless_ones_are_refused() {
        for text in ["<!DOCTYPE x>", "<a><!-- x --></a>", "<a><![CDATA[x]]></a>", "<a><?x y?></a>"] {
            assert!(matches!(scan(text.as_bytes()), Err(Scan::Foreign(_))), "{text}");
        }
        let wide: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(matches!(scan(&wide), Err(Scan::Foreign(_))));
        let long = "x".repeat(1 << 21);
        for text in [format!("<t>{long}"), format!("<t a=\"{long}"), format!("<{long}")] {
            assert_eq!(scan(text.as_bytes()), Err(Scan::Endless("one endless text")));
        }
        // Wrong closing names inside a cell do not end it.
        let parts = "<t>x</c>".repeat(1 << 19);
        assert_eq!(scan(format!("<c><is>{parts}").as_bytes()), Err(Scan::Endless("one endless cell")));
        let cells = "<c><is><t>x</t></is></c>".repeat(1 << 17);
        assert!(scan(cells.as_bytes()).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_scan_or_err(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200), xml in "[<>/!?a:= \"'r]{0,60}") {
            let _ = scan(&text);
            for tag in scan(xml.as_bytes()).unwrap_or_default() {
                let _ = attribute(&tag, b"a", b"r");
            }
        }
    }
}
