/** Limits of custom resources. */
import { assertLimits } from "@raft2kube/std/assert.ts";

/** Errors of one object that an answer names; a list of a million wrong items has a million. */
export const ERRORS_MAX = 1_000;

/** Characters of their paths, texts and values, after which no more errors are named. */
export const ERRORS_CHARACTERS_MAX = 1024 * 1024;

/**
 * Values of one object that are checked, each counted for each alternative of its schema: about
 * 200 ms. The largest objects have some 200,000 values; upstream has no bound.
 */
export const CHECKED_PLACES_MAX = 1_000_000;

/**
 * Values that defaults add to one object: a default of many items may stand in many places. Each
 * read of the object adds those that it was written without.
 */
export const DEFAULTED_VALUES_MAX = 100_000;
/** The same of a write on the event loop: the thread of large requests repeats it with more. */
export const QUICK_DEFAULTS_MAX = 2_000;

/** Columns of a version, and characters of a JSONPath: each is evaluated for each object listed. */
export const COLUMNS_MAX = 100;
export const JSON_PATH_LENGTH_MAX = 4_096;

/** Characters of a column's name and description in a Table: each answer has them. */
export const COLUMN_TEXT_LENGTH_MAX = 1_024;

/** Values that a JSONPath finds in one object, at all steps together: `....` multiplies them. */
export const JSON_PATH_RESULTS_MAX = 10_000;
/** Values that `..` passes by, which take as long as one that it finds. */
export const JSON_PATH_SEEN_OF_RESULT = 100;

/** Nested filters and unions of a JSONPath. */
export const JSON_PATH_DEPTH_MAX = 20;

/** Upstream: the cost of evaluating one rule once, and of all rules about one object. */
export const RULE_COST_MAX = 1_000_000;
export const RULES_COST_MAX = 10_000_000;

/** Steps of evaluating one rule: above what its cost allows, so that the cost is what limits it. */
export const RULE_STEPS_MAX = 4_000_000;

/** Steps of preparing to compile the rules of one place of a schema. */
export const PLACE_STEPS = 200;
/** Versions whose rules stay compiled, the most recently used ones: 200 MB of the event loop's. */
export const COMPILED_VERSIONS_MAX = 100;

/** Upstream: bytes of a message that an expression makes. */
export const MESSAGE_BYTES_MAX = 5 * 1024;

/** Upstream: the estimated cost of one rule about an object, and of all rules of a version. */
export const ESTIMATED_RULE_COST_MAX = 10_000_000n;
export const ESTIMATED_RULES_COST_MAX = 100_000_000n;

/** Upstream: the most expensive rules that an error about all of them names. */
export const NAMED_RULES_MAX = 4;

assertLimits({
  "all rules of an object may cost more than one": RULE_COST_MAX < RULES_COST_MAX,
  "what a rule may cost can be evaluated": RULE_COST_MAX < RULE_STEPS_MAX,
  "all rules of a version may cost more than one":
    ESTIMATED_RULE_COST_MAX < ESTIMATED_RULES_COST_MAX,
});
