/** Limits of custom resources. */

/** Errors of one object that an answer names; a list of a million wrong items has a million. */
export const ERRORS_MAX = 1_000;

/** Values that a JSONPath of a column finds in one object, at any step: `....` multiplies them. */
export const JSON_PATH_RESULTS_MAX = 10_000;

/** Nested filters and unions of a JSONPath. */
export const JSON_PATH_DEPTH_MAX = 20;
