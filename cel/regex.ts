/** Regular expressions as RE2 has them, in linear time. */
import { RE2JS, RE2JSException } from "re2js";
import { PATTERN_SIZE_MAX, PATTERNS_MAX } from "./limits.ts";

const compiled = new Map<string, RE2JS | string>();

/** The compiled pattern, or what is wrong with it. Patterns in use stay compiled. */
export function compileRegex(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const result = attempt(pattern);
  if (compiled.size >= PATTERNS_MAX) compiled.clear();
  compiled.set(pattern, result);
  return result;
}

function attempt(pattern: string): RE2JS | string {
  const repeats = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)];
  const most = Math.max(1, ...repeats.map(([, from, to]) => Number(to) || Number(from)));
  if (pattern.length * most > PATTERN_SIZE_MAX) {
    return "error parsing regexp: expression too large";
  }
  try {
    return RE2JS.compile(pattern);
  } catch (thrown) {
    if (thrown instanceof RE2JSException) return thrown.message;
    throw thrown;
  }
}
