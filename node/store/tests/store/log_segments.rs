//! What the heads of the segments say in sled's log, for tests that change its bytes.

/// Bytes of the head of a segment: checksum, LSN of the segment, LSN that was stable when it was begun.
pub(crate) const SEGMENT_HEAD_BYTES: usize = 4 + 8 + 8;

/// A segment of the log.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// Its LSN, in segments.
    pub(crate) number: usize,
    /// Where it lies in the file, in segments.
    pub(crate) place: usize,
    /// Number of the segment in which that lay which was stable when this one was begun; `None` before anything was.
    pub(crate) stable: Option<usize>,
}

/// Every segment that begins with a head, in the order in which they were begun.
pub(crate) fn segments_of(log: &[u8], segment_bytes: usize) -> Vec<Segment> {
    let number = |lsn: &[u8]| {
        let lsn = i64::from_le_bytes(lsn.try_into().unwrap()) ^ i64::MAX;
        usize::try_from(lsn).ok().map(|lsn| lsn / segment_bytes)
    };
    let mut segments: Vec<_> = log
        .chunks(segment_bytes)
        .enumerate()
        .filter_map(|(place, segment)| Some((place, segment.get(..SEGMENT_HEAD_BYTES)?)))
        .filter(|(_, head)| head.iter().any(|byte| *byte != 0))
        .map(|(place, head)| Segment {
            number: number(&head[4..12]).unwrap(),
            place,
            stable: number(&head[12..]),
        })
        .collect();
    segments.sort_unstable();
    segments
}

/// The segments from the one on that holds the end of what is known to be stable. The batch in which the last segment was
/// begun lies in them from its beginning on, so there are as many as it needs.
pub(crate) fn tail_of(segments: &[Segment]) -> &[Segment] {
    let stable = segments.iter().filter_map(|segment| segment.stable).max().unwrap_or(0);
    let begin = segments.partition_point(|segment| segment.number < stable);
    &segments[begin..]
}

/// Bytes left in the last segment, if its place was empty before.
pub(crate) fn room_of(log: &[u8], segment_bytes: usize) -> usize {
    let segments = segments_of(log, segment_bytes);
    let last = log.chunks(segment_bytes).nth(segments.last().unwrap().place).unwrap();
    segment_bytes - (last.iter().rposition(|byte| *byte != 0).unwrap() + 1)
}
