/** Limits of custom resources. */

/** Errors of one object that an answer names; a list of a million wrong items has a million. */
export const ERRORS_MAX = 1_000;

/** Values that a JSONPath of a column finds in one object, at any step: `....` multiplies them. */
export const JSON_PATH_RESULTS_MAX = 10_000;

/** Nested filters and unions of a JSONPath. */
export const JSON_PATH_DEPTH_MAX = 20;

/** Upstream: the cost of evaluating one rule once, and of all rules about one object. */
export const RULE_COST_MAX = 1_000_000;
export const RULES_COST_MAX = 10_000_000;

/** Steps of evaluating one rule: above what its cost allows, so that the cost is what limits it. */
export const RULE_STEPS_MAX = 4_000_000;

/** Upstream: bytes of a message that an expression makes. */
export const MESSAGE_BYTES_MAX = 5 * 1024;

/** Upstream: the estimated cost of one rule about an object, and of all rules of a version. */
export const ESTIMATED_RULE_COST_MAX = 10_000_000n;
export const ESTIMATED_RULES_COST_MAX = 100_000_000n;

/** Upstream: the most expensive rules that an error about all of them names. */
export const NAMED_RULES_MAX = 4;
