/**
 * Label and field selectors: their text forms and what they match. Grammar: the concepts page
 * "Labels and Selectors"; complaints follow k8s.io/apimachinery/pkg/labels and pkg/fields.
 */

import { CodedError } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import type { LabelSelector, LabelSelectorRequirement } from "./gen/meta/v1.ts";
import { labelValue, qualifiedName } from "./validation/names.ts";

/** The text is no selector. The apiserver answers 400 with this message. */
export class SelectorError extends CodedError {
  constructor(message: string) {
    super("SELECTOR", message);
  }
}

export type LabelOperator = "in" | "notin" | "exists" | "!" | "gt" | "lt";

export interface LabelTerm {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
  /** Whether it was written as `=` or `!=`, and is to be written so again. */
  readonly equality?: true;
}

/** Terms that must all hold; no terms match everything. */
export type LabelTerms = readonly LabelTerm[];

type Labels = Readonly<Record<string, string>>;

/** Whether an object's labels satisfy all terms. */
export function matchesLabels(terms: LabelTerms, labels: Labels | undefined): boolean {
  return terms.every((term) => matchesTerm(term, labels ?? {}));
}

function matchesTerm({ key, operator, values }: LabelTerm, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && isAmong(values, value);
    case "notin":
      return value === undefined || !isAmong(values, value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
    case "lt": {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const limit = Number(values[0]);
      return operator === "gt" ? Number(value) > limit : Number(value) < limit;
    }
  }
}

const FEW_VALUES_MAX = 16;
/** The values of lists of many: thousands are compared with each pod. */
const sets = new WeakMap<readonly unknown[], ReadonlySet<unknown>>();

/** Whether a value is in a list that never changes, and is asked for again and again. */
export function isAmong<T>(values: readonly T[], value: T): boolean {
  if (values.length <= FEW_VALUES_MAX) return values.includes(value);
  let set = sets.get(values);
  if (set === undefined) sets.set(values, (set = new Set(values)));
  return set.has(value);
}

/** The operators of requirements, and those of terms. */
export const LABEL_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/**
 * The terms of a selector object. An absent selector matches nothing (null); an empty one
 * everything ([]). Throws `SelectorError` on an operator that does not exist.
 */
export function termsOf(selector: LabelSelector | undefined): LabelTerms | null {
  if (selector === undefined) return null;
  const equal = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): LabelTerm => ({ key, operator: "in", values: [value], equality: true }),
  );
  return [...equal, ...(selector.matchExpressions ?? []).map(termOf)];
}

function termOf({ key, operator, values = [] }: LabelSelectorRequirement): LabelTerm {
  const known = own(LABEL_OPERATORS, operator);
  if (known === undefined) {
    throw new SelectorError(`"${operator}" is not a valid label selector operator`);
  }
  return { key, operator: known, values };
}

/** Whether labels satisfy a selector object; an absent selector matches nothing. */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels = {}): boolean {
  if (selector === undefined) return false;
  const { matchLabels, matchExpressions = [] } = selector;
  if (matchLabels && !matchesMap(matchLabels, labels)) return false;
  return matchExpressions.every((each) => matchesTerm(termOf(each), labels));
}

/** The numbers of pairs: one map of 60,000 is compared with each pod, of few labels. */
const sizes = new WeakMap<Labels, number>();

/** Whether labels have all pairs of a map; those of an empty one they have. */
export function matchesMap(map: Labels, labels: Labels = {}): boolean {
  let size = sizes.get(map);
  if (size === undefined) sizes.set(map, (size = Object.keys(map).length));
  if (size === 0) return true;
  if (size > Object.keys(labels).length) return false;
  return Object.keys(map).every((key) => Object.hasOwn(labels, key) && labels[key] === map[key]);
}

/** A plain map as Services have it: empty matches nothing there, so callers ask before. */
export function termsOfMap(map: Labels): LabelTerms {
  return Object.entries(map).map(([key, value]) => ({
    key,
    operator: "in",
    values: [value],
    equality: true,
  }));
}

/** The text form of terms, as kubectl writes it; scale's status carries it. */
export function formatLabelTerms(terms: LabelTerms): string {
  const sorted = [...terms].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return sorted
    .map(({ key, operator, values, equality }) => {
      const list = [...values].sort().join(",");
      switch (operator) {
        case "in":
          return equality ? `${key}=${list}` : `${key} in (${list})`;
        case "notin":
          return equality ? `${key}!=${list}` : `${key} notin (${list})`;
        case "exists":
          return key;
        case "!":
          return `!${key}`;
        case "gt":
          return `${key}>${list}`;
        case "lt":
          return `${key}<${list}`;
      }
    })
    .join(",");
}

/** Reads a `labelSelector` parameter. Throws `SelectorError`. */
export function parseLabelSelector(text: string): LabelTerms {
  const parser = new LabelParser(text);
  return parser.all();
}

const TOKEN = /\s*(?:([(),]|!=|==|=|!|>|<)|([^\s(),!=<>]+))/y;

const isWord = (token: string | undefined): token is string =>
  token !== undefined && !/^[(),!=<>]/.test(token);

class LabelParser {
  readonly #tokens: string[] = [];
  #next = 0;

  constructor(text: string) {
    const end = text.trimEnd().length;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < end) {
      const match = TOKEN.exec(text);
      if (match === null) throw this.#wrong("cannot be read");
      this.#tokens.push(match[1] ?? match[2] ?? "");
    }
  }

  all(): LabelTerms {
    const terms: LabelTerm[] = [];
    while (this.#next < this.#tokens.length) {
      if (terms.length > 0 && !this.#take(",")) {
        throw new SelectorError(`found '${this.#peek()!}', expected: ',' or 'end of string'`);
      }
      this.#expectTerm(
        terms.length > 0 ? "identifier after ','" : "!, identifier, or 'end of string'",
      );
      terms.push(this.#term());
    }
    return terms;
  }

  #expectTerm(expected: string): void {
    const next = this.#peek();
    if (next !== undefined && (next === "!" || !/^[(),!=<>]/.test(next))) return;
    throw new SelectorError(`found '${next ?? ""}', expected: ${expected}`);
  }

  #term(): LabelTerm {
    const absent = this.#take("!");
    const key = this.#key();
    if (absent) return { key, operator: "!", values: [] };
    const operator = this.#peek();
    if (operator === undefined || operator === ",") return { key, operator: "exists", values: [] };
    this.#next++;
    switch (operator) {
      case "=":
      case "==":
        return { key, operator: "in", values: [this.#value(key)], equality: true };
      case "!=":
        return { key, operator: "notin", values: [this.#value(key)], equality: true };
      case "in":
      case "notin":
        return { key, operator, values: this.#set(key) };
      case ">":
        return { key, operator: "gt", values: [this.#integer(key)] };
      case "<":
        return { key, operator: "lt", values: [this.#integer(key)] };
      default:
        throw this.#wrong(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  #key(): string {
    const key = this.#word("identifier");
    const complaints = qualifiedName(key);
    if (complaints.length > 0) {
      throw this.#wrong(`<nil>: Invalid value: ${JSON.stringify(key)}: ${complaints.join("; ")}`);
    }
    return key;
  }

  /** A value may be absent: `a=` and `a in ()` mean the empty string. */
  #value(key: string): string {
    const next = this.#peek();
    if (next === undefined || next === "," || next === ")") return "";
    const value = this.#word("value");
    this.#check(key, value, 0);
    return value;
  }

  #check(key: string, value: string, index: number): void {
    const complaints = labelValue(value);
    if (complaints.length === 0) return;
    const about = `values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}`;
    throw this.#wrong(`${about}: ${complaints.join("; ")}`);
  }

  #set(key: string): string[] {
    this.#expect("(");
    const next = this.#peek();
    if (next === ")") {
      this.#next++;
      return [""];
    }
    if (next !== "," && !isWord(next)) {
      throw this.#wrong(`found '${next ?? ""}', expected: ',', ')' or identifier`);
    }
    const values = [...this.#members()].sort();
    this.#expect(")");
    for (const [index, value] of values.entries()) this.#check(key, value, index);
    return values;
  }

  /** Parses the values in parentheses; nothing beside a comma is the empty value. */
  #members(): Set<string> {
    const values = new Set<string>();
    for (;;) {
      const token = this.#tokens[this.#next++];
      const next = this.#peek();
      if (token === ",") {
        if (values.size === 0 || next === ")" || next === ",") values.add("");
        if (next === ")") return values;
        if (next === ",") this.#next++;
      } else if (isWord(token)) {
        values.add(token);
        if (next === ")") return values;
        if (next !== ",") throw this.#wrong(`found '${next ?? ""}', expected: ',' or ')'`);
      } else {
        throw this.#wrong(`found '${token ?? ""}', expected: ',', or identifier`);
      }
    }
  }

  #integer(key: string): string {
    const value = this.#word("identifier");
    if (!/^-?\d+$/.test(value)) {
      throw this.#wrong(
        `values[0]: Invalid value: ${JSON.stringify(value)}: ` +
          "for 'Gt', 'Lt' operators, the value must be an integer",
      );
    }
    this.#check(key, value, 0);
    return value;
  }

  #word(what: string): string {
    const token = this.#tokens[this.#next++];
    if (!isWord(token)) throw this.#wrong(`found '${token ?? ""}', expected: ${what}`);
    return token;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#next];
  }

  #take(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#next++;
    return true;
  }

  #expect(token: string): void {
    if (this.#take(token)) return;
    // Upstream's own words differ by a comma.
    const comma = token === "(" ? "" : ",";
    throw this.#wrong(`found '${this.#peek() ?? ""}'${comma} expected: '${token}'`);
  }

  #wrong(detail: string): SelectorError {
    return new SelectorError(`unable to parse requirement: ${detail}`);
  }
}

export interface FieldTerm {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/**
 * Reads a `fieldSelector` parameter: `a=b,c!=d`, with `\,` `\=` `\\` escaped. Its terms are in the
 * order of their texts, which is the order of complaints about them. Throws.
 */
export function parseFieldSelector(text: string): readonly FieldTerm[] {
  return splitEscaped(text)
    .filter((each) => each !== "")
    .sort()
    .map((part) => {
      const match = /^(.*?)(!=|==|=)(.*)$/s.exec(part);
      if (match === null) {
        throw new SelectorError(`invalid selector: '${text}'; can't understand '${part}'`);
      }
      const [, field = "", operator = "", value = ""] = match;
      return { field, operator: operator === "!=" ? "!=" : "=", value: unescaped(value) };
    });
}

/**
 * The value that a `fieldSelector` parameter asks of a field: nothing that it selects has another.
 * undefined when it asks for none, or is no selector.
 */
export function valueAsked(text: string, field: string): string | undefined {
  return valueIn(understood(parseFieldSelector, text) ?? [], field);
}

/** The terms of a selector's text; undefined for one that is no selector. */
export function understood<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text);
  } catch (thrown) {
    if (thrown instanceof SelectorError) return undefined;
    throw thrown;
  }
}

/** The same for terms. */
export function valueIn(terms: readonly FieldTerm[], field: string): string | undefined {
  return terms.find((term) => term.field === field && term.operator === "=")?.value;
}

const splitEscaped = (text: string): string[] => text.match(/(?:[^\\,]|\\.|\\$)+/gs) ?? [];

function unescaped(text: string): string {
  return text.replace(/\\(.?)|[,=]/gs, (whole, character: string | undefined) => {
    if (character === undefined) {
      const code = whole.charCodeAt(0);
      throw new SelectorError(`invalid field selector: unescaped character in value: ${code}`);
    }
    if (character === "" || !"\\,=".includes(character)) {
      throw new SelectorError(`invalid field selector: invalid escape sequence: \\${character}`);
    }
    return character;
  });
}

/** Whether an object satisfies all terms; `read` gives a field's value. */
export const matchesFields = (
  terms: readonly FieldTerm[],
  read: (field: string) => string,
): boolean =>
  terms.every(({ field, operator, value }) => (read(field) === value) === (operator === "="));
