/** Regular expressions as RE2 has them, in linear time. */
import { RE2JS, RE2JSException } from "re2js";
import { REGEX_LENGTH_FACTOR, STRING_TRAVERSAL_FACTOR } from "./cost-factors.ts";
import { PATTERN_SIZE_MAX, PATTERN_SIZES_MAX, PATTERNS_MAX, UNICODE_CLASS_SIZE } from "./limits.ts";
import type { Value } from "./value.ts";

/** Patterns that stay compiled, the oldest first, and the sum of their sizes. */
const compiled = new Map<string, RE2JS | string>();
let sizes = 0;

/** The compiled pattern, or what is wrong with it. Patterns in use stay compiled. */
export function compileRegex(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const size = patternSize(pattern);
  if (size > PATTERN_SIZE_MAX) return "error parsing regexp: expression too large";
  const result = attempt(pattern);
  compiled.set(pattern, result);
  sizes += size;
  for (const oldest of compiled.keys()) {
    if (sizes <= PATTERN_SIZES_MAX && compiled.size <= PATTERNS_MAX) break;
    compiled.delete(oldest);
    sizes -= patternSize(oldest);
  }
  return result;
}

/** The size of a pattern to compile: its characters times its largest repetition, and classes. */
export function patternSize(pattern: string): number {
  // The largest repetition of what is in each open group, and of the part before a repetition.
  const groups = [1];
  let part = 1;
  let classes = 0;
  for (const [word, from, to] of pattern.matchAll(/\\[^]|\{(\d+)(?:,(\d*))?\}|[^\\]|\\$/g)) {
    if (word === "(") groups.push(1);
    if (/^\\p$/i.test(word)) classes++;
    if (from !== undefined) part *= Math.max(1, Number(from), Number(to ?? 0));
    else part = word === ")" && groups.length > 1 ? groups.pop()! : 1;
    groups[groups.length - 1] = Math.max(groups.at(-1)!, part);
  }
  const repeated = groups.reduce((most, each) => Math.max(most, each));
  return pattern.length * repeated + classes * UNICODE_CLASS_SIZE;
}

/** Steps of a match: as its cost, the product of both lengths; and those of compiling. */
export function matchSteps([text, pattern]: readonly Value[]): number {
  const [length, size] = [(text as string).length, (pattern as string).length];
  return (
    Math.ceil((1 + length) * STRING_TRAVERSAL_FACTOR) * Math.ceil(size * REGEX_LENGTH_FACTOR) +
    (compiled.has(pattern as string) ? 0 : patternSize(pattern as string))
  );
}

function attempt(pattern: string): RE2JS | string {
  try {
    return RE2JS.compile(pattern);
  } catch (thrown) {
    if (thrown instanceof RE2JSException) return thrown.message;
    throw thrown;
  }
}
