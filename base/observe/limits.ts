/** Lines of the same message that are written in each second before most are left out, as zap's. */
export const SAME_LINES_BEFORE_SAMPLING = 100;

/** Of the lines beyond those, one in so many is written. */
export const SAMPLED_ONE_IN = 100;

/** Different messages that are counted in a second; of any further ones every line is written. */
export const SAMPLED_MESSAGES_MAX = 1_000;
