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

/** Least interval between lines of a warning that others can cause as often as they like. */
export const RECURRING_MS = 10_000;
