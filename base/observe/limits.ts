/** Lines of the same message written per second before sampling starts (as zap's sampler). */
export const SAME_LINES_BEFORE_SAMPLING = 100;

/** One of so many lines is written once sampling has started. */
export const SAMPLED_ONE_IN = 100;

/** Distinct messages counted per second; further ones are not sampled. */
export const SAMPLED_MESSAGES_MAX = 1_000;

/** A longer line of the log is shortened: to so much of each of its texts, and of its lists. */
export const LINE_CHARS_MAX = 16_384;
export const TEXT_CHARS_MAX = 1_024;
export const LIST_ITEMS_MAX = 100;

/** Lines that wait until the log can be written again; a line has up to four bytes a character. */
export const WAITING_LINES_BYTES_MAX = 4 * LINE_CHARS_MAX;

/** Least interval between lines of a warning that others can cause as often as they like. */
export const RECURRING_MS = 10_000;

/** Attributes of a span; further ones are dropped (OpenTelemetry's bound). */
export const SPAN_ATTRIBUTES_MAX = 128;

/** The characters of an attribute's text: clients choose paths and user agents. */
export const ATTRIBUTE_CHARS_MAX = 1_024;

/** Sampling rates are given per so many root spans, as upstream's. */
export const SAMPLING_RATE_MAX = 1_000_000;

/** Spans that a process keeps for the page that shows them; older ones are dropped. */
export const SPANS_KEPT_MAX = 10_000;

/** Spans of one answer about kept traces. */
export const SPANS_SHOWN_MAX = 5_000;
