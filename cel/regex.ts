/** Regular expressions as RE2 has them, in linear time. */
import { RE2JS, RE2JSException } from "re2js";
import { REGEX_LENGTH_FACTOR, STRING_TRAVERSAL_FACTOR } from "./cost-factors.ts";
import {
  ONE_PASS_BRANCHES_MAX,
  PATTERN_SIZE_MAX,
  PATTERN_SIZES_MAX,
  PATTERNS_MAX,
} from "./limits.ts";
import { type PatternWork, patternWork } from "./pattern-work.ts";
import type { Value } from "./value.ts";

interface Compiled extends PatternWork {
  readonly result: RE2JS | string;
}

/** Patterns that stay compiled, the oldest first, and the sum of their sizes. */
const compiled = new Map<string, Compiled>();
let sizes = 0;

/** The compiled pattern, or what is wrong with it. Patterns in use stay compiled. */
export function compileRegex(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known.result;
  const work = patternWork(pattern);
  if (work.size > PATTERN_SIZE_MAX) return "error parsing regexp: expression too large";
  const result = attempt(pattern);
  compiled.set(pattern, { ...work, result });
  sizes += work.size;
  for (const [oldest, { size }] of compiled) {
    if (sizes <= PATTERN_SIZES_MAX && compiled.size <= PATTERNS_MAX) break;
    compiled.delete(oldest);
    sizes -= size;
  }
  return result;
}

/**
 * Steps of a match: the product of the text's length and the pattern's, as its cost, or the number
 * of its states where that is larger; and those of compiling.
 */
export function matchSteps([text, pattern]: readonly Value[]): number {
  return steps(text as string, pattern as string, 1);
}

/** Steps of all matches, up to a limit: each may read what is left of the text. */
export function allMatchesSteps([text, pattern, limit = -1n]: readonly Value[]): number {
  const most = (limit as bigint) < 0n ? Infinity : Math.max(1, Number(limit));
  return steps(text as string, pattern as string, most);
}

function steps(text: string, pattern: string, matches: number): number {
  const known = compiled.get(pattern);
  const { size, states } = known ?? patternWork(pattern);
  const reads = Math.ceil((1 + text.length) * STRING_TRAVERSAL_FACTOR);
  const each = Math.ceil(Math.max(pattern.length, states) * REGEX_LENGTH_FACTOR);
  return reads * Math.min(reads, matches) * each + (known ? 0 : size);
}

/** An alternative that never matches, and before an anchor turns the one-pass automaton off. */
const NEVER = "\\b\\B|";

/** re2js's one-pass automaton is made in cubic time: 7 s for a pattern of 5,000 characters. */
function isSlowOnePass(pattern: string): boolean {
  if (!/\^|\\A/.test(pattern)) return false;
  return (pattern.match(/[|*+?{]/g)?.length ?? 0) > ONE_PASS_BRANCHES_MAX;
}

function attempt(pattern: string, before = isSlowOnePass(pattern) ? NEVER : ""): RE2JS | string {
  try {
    return RE2JS.compile(before + pattern);
  } catch (thrown) {
    // The message may have the whole pattern.
    if (before !== "") return attempt(pattern, "");
    if (thrown instanceof RE2JSException) return thrown.message;
    // Alternatives that share a long prefix are factored recursively.
    if (thrown instanceof RangeError) return "error parsing regexp: expression nests too deeply";
    throw thrown;
  }
}
