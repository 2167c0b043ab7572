/** Errors of parsing and checking, in cel-go's form: message, source line and a caret. */
import { CodedError } from "@raft2kube/std/errors.ts";
import { ISSUES_MAX, SNIPPET_LENGTH_MAX } from "./limits.ts";

/** An error of parsing or checking. */
export interface Issue {
  readonly message: string;
  /** The line, from 1; -1 for errors about the whole expression. */
  readonly line: number;
  /** The column in code points, from 1. */
  readonly column: number;
}

export interface CompileErrors {
  readonly issues: readonly Issue[];
  /** All issues in cel-go's form, with the source and a caret. */
  readonly message: string;
  /** Whether the expression is well-typed, and a conversion of a constant in it fails. */
  readonly isInstantiation?: boolean;
}

/** A conversion of a constant fails, so that no program can be made. */
export class InstantiationError extends CodedError {
  constructor(message: string) {
    super("CEL_CONSTANT", message);
  }
}

/** An expression that cannot be parsed further; the compiler reports it as an issue. */
export class ParseError extends CodedError {
  /** Where in the text, in UTF-16 units; undefined for errors about the whole expression. */
  readonly at: number | undefined;

  constructor(message: string, at: number | undefined) {
    super("CEL_PARSE", message);
    this.at = at;
  }
}

/** Collects the issues of one text. */
export class Issues {
  readonly #text: string;
  readonly #issues: Issue[] = [];
  #count = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get count(): number {
    return this.#count;
  }

  add(message: string, at: number | undefined): void {
    this.#count++;
    if (this.#count > ISSUES_MAX) return;
    if (at === undefined) {
      this.#issues.push({ message, line: -1, column: 0 });
      return;
    }
    const before = this.#text.slice(0, at);
    const start = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    this.#issues.push({ message, line, column: [...before.slice(start)].length + 1 });
  }

  report(): CompileErrors {
    const issues = this.#issues.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const lines = this.#text.split("\n");
    const shown = issues.map((each) => display(each, lines[each.line - 1]));
    const more = this.#count - issues.length;
    if (more > 0) shown.push(`${more} more errors were truncated`);
    return { issues, message: shown.join("\n") };
  }
}

const DOT = ".";
const WIDE_DOT = "\uff0e";
const CARET = "^";
const WIDE_CARET = "\uff3e";

function display({ message, line, column }: Issue, source: string | undefined): string {
  const head = `ERROR: <input>:${line}:${column}: ${message}`;
  if (source === undefined || source.length > SNIPPET_LENGTH_MAX) return head;
  const snippet = source.replaceAll("\t", " ");
  const characters = [...snippet];
  const wide = (index: number): boolean => (characters[index]?.codePointAt(0) ?? 0) > 0x7f;
  const dots = characters.slice(0, column - 1).map((_, index) => (wide(index) ? WIDE_DOT : DOT));
  return `${head}\n | ${snippet}\n | ${dots.join("")}${wide(column - 1) ? WIDE_CARET : CARET}`;
}
