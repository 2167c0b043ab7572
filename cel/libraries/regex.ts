/** Parts of texts by regular expression: `"abc 123".find("[0-9]+")`. */
import { error } from "../failures.ts";
import { InstantiationError } from "../issues.ts";
import type { Library, Validator } from "../library.ts";
import { allMatchesSteps, compileRegex, matchSteps } from "../regex.ts";
import { INT, listOf, STRING } from "../types.ts";
import { ArrayList, type ErrorValue } from "../value.ts";
import { functions, method } from "./declare.ts";

/** The first `limit` parts that match, from the left, without overlaps. */
function matchesOf(text: string, pattern: string, limit: number): string[] | ErrorValue {
  const regex = compileRegex(pattern);
  if (typeof regex === "string") return error(`Illegal regex: ${regex}`);
  const found: string[] = [];
  const matcher = regex.matcher(text);
  for (let end = -1; found.length < limit && matcher.find(); end = matcher.end()) {
    // Go passes over an empty match where the last one ended.
    if (matcher.end() !== end || matcher.start() !== end) found.push(matcher.group() ?? "");
  }
  return found;
}

function find(text: string, pattern: string): string | ErrorValue {
  const found = matchesOf(text, pattern, 1);
  return Array.isArray(found) ? (found[0] ?? "") : found;
}

function findAll(text: string, pattern: string, limit = -1n): ArrayList | ErrorValue {
  const found = matchesOf(text, pattern, limit < 0n ? Infinity : Number(limit));
  return Array.isArray(found) ? new ArrayList(found) : found;
}

/** A literal pattern is compiled with the program, which cannot be made of another text. */
const PATTERNS: Validator = {
  functions: ["find", "findAll"],
  check({ args: [pattern] }, { budget }) {
    if (pattern?.is !== "literal" || pattern.value.type !== "string") return;
    const wrong = budget.patternError(pattern.value.value);
    if (wrong !== undefined) throw new InstantiationError(wrong);
  },
};

const ALL = { steps: allMatchesSteps };

export const regexLibrary: Library = {
  name: "kubernetes.regex",
  validators: [PATTERNS],
  functions: functions({
    find: [method("string_find_string", [STRING, STRING], STRING, find, { steps: matchSteps })],
    findAll: [
      method("string_find_all_string", [STRING, STRING], listOf(STRING), findAll, ALL),
      method("string_find_all_string_int", [STRING, STRING, INT], listOf(STRING), findAll, ALL),
    ],
  }),
};
