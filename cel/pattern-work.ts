/** The work that a regular expression is, as far as its text shows it. */
import {
  COPIED_PARTS_PER_SIZE,
  FOLDED_CHARACTERS_PER_SIZE,
  PATTERN_SIZE_MAX,
  SOUGHT_CHARACTERS_PER_SIZE,
  UNICODE_CLASS_SIZE,
} from "./limits.ts";

export interface PatternWork {
  /** Characters, as often as they are repeated, and what classes take. */
  readonly size: number;
  /** States of the automaton, about. */
  readonly states: number;
}

const NOTHING: PatternWork = { size: 0, states: 0 };
/** A quotation, an escape, a named class, the start of a class or group, flags, a repetition. */
const TOKENS =
  /\\Q[^]*?(?:\\E|$)|\\[pPx](?:\{[^}]{0,64}\}|[^])|\\[^]|\[:\^?\w{1,8}:\]|\[\^?\]?|\(\?[a-zA-Z-]*[:)]|\{(\d{1,8})(?:,(\d{0,8}))?\}|[^]/g;
const FOLDS = /\(\?[a-zA-Z-]*i/;
/** The ends of ranges; what only looks like one is small. */
const RANGES = /-(?=\\x\{([\da-f]+)\}|\\[^]|([^]))/giu;
/** The first and the last character that has another case, and the last escape without braces. */
const [FOLDED_MIN, FOLDED_MAX, OCTAL_MAX] = [0x41, 0x1e943, 0o777];

/** Returns the work of a pattern. The parser's rules decide what a repetition belongs to. */
export function patternWork(pattern: string): PatternWork {
  if (pattern.length > PATTERN_SIZE_MAX) return { size: pattern.length, states: pattern.length };
  const { size, states } = repeatedWork(pattern);
  const extra = FOLDS.test(pattern) ? foldedCharacters(pattern) / FOLDED_CHARACTERS_PER_SIZE : 0;
  return { size: Math.ceil(size + extra + soughtEnds(pattern)), states };
}

function plus(a: PatternWork, b: PatternWork): PatternWork {
  return { size: a.size + b.size, states: a.states + b.states };
}

/** An open group. */
interface Group {
  /** The parts that are complete. */
  work: PatternWork;
  /** Parts of the current alternative, bars, and bars with those of groups within. */
  parts: number;
  bars: number;
  allBars: number;
}

const opened = (work: PatternWork): Group => ({ work, parts: 0, bars: 0, allBars: 0 });

function repeatedWork(pattern: string): PatternWork {
  const groups = [opened(NOTHING)];
  /** The part that a repetition would repeat. */
  let last = NOTHING;
  let isInClass = false;
  let factored = 0;
  const push = (work: PatternWork) => {
    const group = groups.at(-1)!;
    group.work = plus(group.work, last);
    group.parts++;
    last = work;
  };
  const endAlternative = (group: Group) => {
    // A prefix that alternatives share is taken out part by part, each time with a copy.
    if (group.bars > 0) factored += group.parts ** 2 / COPIED_PARTS_PER_SIZE;
    group.parts = 0;
  };
  for (const [word, from, to] of pattern.matchAll(TOKENS)) {
    const size = /^\\p/i.test(word) ? word.length + UNICODE_CLASS_SIZE : word.length;
    if (isInClass) {
      last = plus(last, { size, states: 0 });
      isInClass = !word.endsWith("]") || /^\\|^\[:/.test(word);
    } else if (from !== undefined) {
      const times = Math.max(1, Number(from), Number(to ?? 0));
      last = { size: (last.size + 1) * times + size, states: (last.states + 1) * times };
    } else if (word === "(" || /^\(\?.*:$/.test(word)) {
      push(NOTHING);
      groups.push(opened({ size, states: 2 }));
    } else if (word === ")" && groups.length > 1) {
      push(NOTHING);
      const group = groups.pop()!;
      endAlternative(group);
      // Alternatives of alternatives are joined, and all are compared again.
      if (group.bars > 0) factored += group.allBars;
      groups.at(-1)!.allBars += group.allBars;
      last = group.work;
    } else if (/^[*+?]$|^\(\?|^\\Q(?:\\E)?$/.test(word)) {
      // Nothing that a further repetition could repeat alone.
      last = plus(last, { size, states: 1 });
    } else {
      isInClass = word.startsWith("[") && !word.startsWith("[:");
      if (word.startsWith("\\Q")) push({ size, states: size });
      push(word.startsWith("\\Q") ? { size: 1, states: 1 } : { size, states: 1 });
      if (word === "|") {
        const group = groups.at(-1)!;
        group.bars++;
        group.allBars++;
        endAlternative(group);
      }
    }
  }
  for (const group of groups) endAlternative(group);
  const { size, states } = groups.reduce((sum, { work }) => plus(sum, work), last);
  return { size: size + factored, states };
}

/** A range is folded character by character: each counts from the first one to its end. */
function foldedCharacters(pattern: string): number {
  let characters = 0;
  for (const [, hex, char] of pattern.matchAll(RANGES)) {
    const end = hex === undefined ? (char?.codePointAt(0) ?? OCTAL_MAX) : parseInt(hex, 16);
    characters += Math.max(0, Math.min(end, FOLDED_MAX) - FOLDED_MIN);
  }
  return characters;
}

/** The end of each `[:` is sought up to the pattern's end. */
function soughtEnds(pattern: string): number {
  const rest = pattern.slice(pattern.lastIndexOf(":]") + 1);
  return ((rest.split("[:").length - 1) * rest.length) / SOUGHT_CHARACTERS_PER_SIZE;
}
