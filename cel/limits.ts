import { assertLimits } from "@raft2kube/std/assert.ts";

// The first ones are cel-go's, so that the same expressions are refused.

/** cel-go: code points of an expression. */
export const EXPRESSION_LENGTH_MAX = 100_000;

/** cel-go: levels of one grammar rule within itself. */
export const RULE_DEPTH_MAX = 250;

/** Types within the type of an expression, which may double with each map of it and itself. */
export const TYPE_SIZE_MAX = 256;

/**
 * Steps of compiling an expression, a compared type each: 0.5 s, twice what a large one needs.
 * Expressions that have one budget take no more together.
 */
export const COMPILE_STEPS_MAX = 5_000_000;
/**
 * The same of all expressions that one turn of the event loop compiles, and the sizes of their
 * patterns: some 50 ms and 2 MB, more than the rules of the Gateway API's HTTPRoute. The thread of
 * large requests does what takes more.
 */
export const QUICK_COMPILE_STEPS_MAX = 200_000;
export const QUICK_PATTERN_SIZE_MAX = 20_000;
/** Steps of parsing a character. */
export const CHARACTER_STEPS = 10;
/** Steps of checking a node and planning it. */
export const NODE_STEPS = 25;

/** Nodes that macros copy; the text bounds all others. */
export const COPIED_NODES_MAX = 20_000;

/** cel-go: errors that a compilation reports. */
export const ISSUES_MAX = 100;

/** cel-go: characters of a source line that an error shows. */
export const SNIPPET_LENGTH_MAX = 16_384;

/**
 * Steps of one evaluation in the event loop: about 10 ms, as a step takes 0.3 to 0.6 us. A caller
 * that needs more runs the program in a worker thread, where only its cost bounds it.
 */
export const EVALUATION_STEPS_MAX = 20_000;

/** Time zones whose rules stay loaded. */
export const TIME_ZONES_MAX = 64;

/** Regular expressions that stay compiled. */
export const PATTERNS_MAX = 1_000;

/** Sizes together of the regular expressions that stay compiled: 300 MB at most. */
export const PATTERN_SIZES_MAX = 2_000_000;

/**
 * Bytes of a request that Kubernetes estimates sizes by. It stays what it is when the server's own
 * limit changes, as estimates decide which rules a definition may have.
 */
export const REQUEST_BYTES_MAX = 3 * 1024 * 1024;

/**
 * Size of a pattern, its characters as often as they are repeated, and of the patterns that an
 * expression, or all with one budget, has as literals: 0.2 s of compiling at most.
 */
export const PATTERN_SIZE_MAX = 100_000;
/** The part of a class of Unicode's, `\pL`, in a pattern's size: it is folded and sorted. */
export const UNICODE_CLASS_SIZE = 100;
/** Characters of ranges that are folded, 24 ns each, and that `[:` is sought in, for a size of 1. */
export const FOLDED_CHARACTERS_PER_SIZE = 50;
export const SOUGHT_CHARACTERS_PER_SIZE = 1_000;
/** Parts that are copied to take a common prefix out of alternatives, for a size of 1. */
export const COPIED_PARTS_PER_SIZE = 20;
/** Alternatives and repetitions of an anchored pattern for which a one-pass automaton is tried. */
export const ONE_PASS_BRANCHES_MAX = 8;

/** Characters of a text that a function makes: more than twice those of the largest request. */
export const TEXT_LENGTH_MAX = 8 * 1024 * 1024;

/** Digits after the point that `%f` writes; a double has no more than 1,074. */
export const DIGITS_MAX = 1_100;

/** Items of a list that a function makes of others: more than any cost allows to read. */
export const FLAT_LENGTH_MAX = 1_000_000;

/** The cost at which counting what is in a value ends: no limit of an expression is higher. */
export const TRAVERSAL_COST_MAX = 1_000_000_000;

assertLimits({
  "a turn of the event loop compiles less than one expression may take":
    QUICK_COMPILE_STEPS_MAX < COMPILE_STEPS_MAX && QUICK_PATTERN_SIZE_MAX < PATTERN_SIZE_MAX,
  "an expression of the longest line that an error shows is allowed":
    SNIPPET_LENGTH_MAX <= EXPRESSION_LENGTH_MAX,
  "each pattern can stay compiled": PATTERN_SIZE_MAX <= PATTERN_SIZES_MAX,
  "a text of the largest request can be replaced in": REQUEST_BYTES_MAX < TEXT_LENGTH_MAX,
});
