import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { DOCKERFILE_BYTES, INSTRUCTIONS } from "../limits.ts";

/** Text between `<<NAME` and NAME, as a file of COPY or a script of RUN. */
export interface HereDocument {
  name: string;
  content: string;
  /** Whether variables in it are expanded: the name was not quoted. */
  isExpanded: boolean;
}

/** One instruction of a Dockerfile. */
export interface Instruction {
  /** The instruction's word, in capitals. */
  name: string;
  /** `--NAME=VALUE` before the arguments, by name. */
  flags: ReadonlyMap<string, readonly string[]>;
  /** The arguments after the flags, in one line. */
  text: string;
  /** The strings of the exec form: a JSON list. */
  json?: string[];
  heredocs: readonly HereDocument[];
  line: number;
}

const NAMES = new Set(
  (
    "FROM RUN CMD LABEL MAINTAINER EXPOSE ENV ADD COPY ENTRYPOINT VOLUME " +
    "USER WORKDIR ARG ONBUILD STOPSIGNAL HEALTHCHECK SHELL"
  ).split(" "),
);
/** Flags by instruction; any other is refused. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  FROM: ["platform"],
  RUN: ["mount", "network"],
  COPY: ["from", "chown", "chmod", "link"],
  ADD: ["chown", "chmod", "link", "checksum"],
  HEALTHCHECK: ["interval", "timeout", "start-period", "start-interval", "retries"],
};
/** A word of the shell, with its quotes; and one that starts a here-document. */
const SHELL_WORD = /(?:<<[ \t]+(?=["']?[A-Za-z_])|"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/gs;
const HEREDOC = /^\d*<<(-?)[ \t]*(?:(["'])([A-Za-z0-9_.-]+)\2|([A-Za-z0-9_.-]+))/;

/** The Dockerfile is malformed, at a line. */
export function badLine(line: number, why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `Dockerfile line ${line}: ${why}`);
}

/** Refuses another escape than `\`, by a directive: a comment before all else. */
function refuseEscape(lines: readonly string[]): void {
  const end = lines.findIndex((line) => !/^#\s*[a-zA-Z]+\s*=/.test(line));
  const at = lines.slice(0, end).findIndex((line) => /^#\s*escape\s*=(?!\s*\\\s*$)/i.test(line));
  if (at >= 0) throw badLine(at + 1, "an escape other than \\ is not supported");
}

/** Reads the flags that stand before an instruction's arguments. */
function takeFlags(name: string, line: number, given: string) {
  const flags = new Map<string, string[]>();
  let text = given;
  for (;;) {
    const [whole, flag = "", value = "true"] =
      /^--([a-z-]+)(?:=((?:"[^"]*"|'[^']*'|[^\s"'])*))?(?:\s+|$)/.exec(text) ?? [];
    if (whole === undefined) return { flags, text };
    if (!FLAGS[name]?.includes(flag)) throw badLine(line, `${name} --${flag} is not supported`);
    flags.set(flag, [...(flags.get(flag) ?? []), value.replace(/(["'])(.*?)\1/g, "$2")]);
    text = text.slice(whole.length);
  }
}

/** The strings of the exec form; undefined for the shell form. */
function jsonOf(text: string, line: number): string[] | undefined {
  const list = text.startsWith("[") ? (jsonOrNothing(text) as unknown[] | undefined) : undefined;
  if (list === undefined || list.every((word) => typeof word === "string")) return list;
  throw badLine(line, "a JSON list has strings alone");
}

/** Lines of a file, and how many were taken of them. */
type Lines = { all: readonly string[]; at: number };

/**
 * Takes a logical line: continued by `\` at its end; comments and empty lines are skipped.
 * Returns its number too, from 1 on.
 */
function takeLogical(lines: Lines): { text: string; line: number } | undefined {
  let text = "";
  let first: number | undefined;
  while (lines.at < lines.all.length) {
    const line = lines.all[lines.at++]!;
    if (/^\s*(#|$)/.test(line)) continue;
    // Without a pattern, whose time would grow with the square of what a line has of spaces.
    const rest = line.trimEnd();
    text += first === undefined ? rest.trimStart() : rest;
    first ??= lines.at;
    // One that is itself escaped continues nothing.
    if (!rest.endsWith("\\") || rest.endsWith("\\\\")) break;
    text = text.slice(0, -1);
  }
  return first === undefined ? undefined : { text, line: first };
}

/** Takes a here-document's lines, up to its name. */
function takeHeredoc(lines: Lines, name: string, isIndented: boolean, line: number): string {
  let content = "";
  while (lines.at < lines.all.length) {
    const next = lines.all[lines.at++]!;
    const text = isIndented ? next.replace(/^\t+/, "") : next;
    if (text === name) return content;
    content += `${text}\n`;
  }
  throw badLine(line, `<<${name} has no end`);
}

function heredocsOf(lines: Lines, text: string, line: number): HereDocument[] {
  return (text.match(SHELL_WORD) ?? []).flatMap((word) => {
    const [whole, dash, quote, quoted, plain] = HEREDOC.exec(word) ?? [];
    if (whole === undefined) return [];
    const name = quoted ?? plain!;
    const content = takeHeredoc(lines, name, dash === "-", line);
    return { name, content, isExpanded: quote === undefined };
  });
}

/** Reads a Dockerfile. Malformed or unknown lines are invalid-argument, with their number. */
export function parseDockerfile(source: string): Instruction[] {
  if (Buffer.byteLength(source) > DOCKERFILE_BYTES) {
    throw new RuntimeError("resource-exhausted", `a Dockerfile of over ${DOCKERFILE_BYTES} bytes`);
  }
  const all = source.replace(/^\uFEFF/, "").split(/\r?\n/);
  refuseEscape(all);
  const lines = { all, at: 0 };
  const instructions: Instruction[] = [];
  for (;;) {
    const { text, line } = takeLogical(lines) ?? {};
    if (text === undefined || line === undefined) return instructions;
    if (instructions.length === INSTRUCTIONS)
      throw badLine(line, `over ${INSTRUCTIONS} instructions`);
    instructions.push(parseInstruction(text, line, lines));
  }
}

/** Reads one instruction, as ONBUILD has them too; lines after it are its here-documents. */
export function parseInstruction(
  logical: string,
  line: number,
  lines: Lines = { all: logical.split("\n").slice(1), at: 0 },
): Instruction {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)/.exec(logical) ?? [];
  const name = word.toUpperCase();
  if (!NAMES.has(name))
    throw badLine(line, `unknown instruction ${JSON.stringify(word.slice(0, 40))}`);
  const { flags, text } = takeFlags(name, line, rest.trim());
  if (text === "") throw badLine(line, `${name} has no arguments`);
  const takesHeredocs = /^(ONBUILD\s+)?(RUN|COPY|ADD)\s/i;
  const heredocs = takesHeredocs.test(logical) ? heredocsOf(lines, text, line) : [];
  const json = jsonOf(text, line);
  return { name, flags, text, ...(json && { json }), heredocs, line };
}
