/** Limits of the libraries, beside those of the costs. */

/** Characters of a text that a function makes: more than twice those of the largest request. */
export const TEXT_LENGTH_MAX = 8 * 1024 * 1024;

/** Digits after the point that `%f` and `%e` write; a double has no more than 1,074. */
export const DIGITS_MAX = 1_100;

/** Items of a list that a function makes of nested lists: far beyond what any cost allows to read. */
export const FLAT_LENGTH_MAX = 1_000_000;

/** The cost at which counting what is in a value ends: no limit of an expression is higher. */
export const TRAVERSAL_COST_MAX = 1_000_000_000;
