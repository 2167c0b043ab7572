/**
 * The text of a request in a script:
 *
 *     // why the step is there
 *     made = POST configmaps?dryRun=All as application/yaml with application/json by bob
 *     lines: 2
 *     {"...": "other", "metadata": {"uid": "${other.metadata.uid}"}}
 *
 * `made` names the answer for later steps. `as`, `with` and `by` are the headers Accept,
 * Content-Type (`with nothing` sends none) and Impersonate-User; other headers follow, a line each.
 * Four lines are no headers: `lines: N` ends a watch after N lines of the answer,
 * `certificate: none` makes the request anonymous, `until: JSON` repeats it until the answer
 * contains that JSON, where null stands for what is missing, and `only: POINTER` records that
 * member of the answer alone (`pointer.ts`).
 *
 * The body is JSON; a string is sent as it is, to be of any type. A path that starts with a letter
 * lies in the case's namespace (`recorder.ts`).
 *
 * Four words send nothing. `token = sign` signs the claims of the body as the server signs a
 * service account's token. `crd = let` names the body. `serve /path` sets how the case's server of
 * webhooks answers at that path (`hooks.ts`); its port and CA bundle are `${hooks.port}` and
 * `${hooks.ca}`. `received /path` records what it got there.
 */
import type { Sent } from "./caller.ts";
import { withMember } from "./pointer.ts";
import { TranscriptError } from "./transcript.ts";

export interface ScriptRequest {
  readonly name: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly sent: Sent;
  readonly until: unknown;
  readonly only: string | undefined;
}

const LINE = /^(?:(\w+) = )?(\w+)(?: (\S+))?(?: as (.+?))?(?: with (.+?))?(?: by (\S+))?$/;
const HEADER = /^([\w.%-]+): (.*)$/;

/** Reads a request's text. Throws TranscriptError where it is none. */
export function parseRequest(text: string): ScriptRequest {
  const lines = text.split("\n").filter((line) => !line.startsWith("//"));
  const found = LINE.exec(lines.shift() ?? "");
  if (!found) throw new TranscriptError(`no request: ${text}`);
  const [, name, method, path = "", accept, type, user] = found;
  const headers: Record<string, string> = user === undefined ? {} : { "impersonate-user": user };
  for (let header; (header = HEADER.exec(lines[0] ?? "")); lines.shift()) {
    headers[header[1]!] = header[2]!;
  }
  const { lines: count, certificate, until, only, ...rest } = headers;
  const sent: Sent = {
    ...(lines.length === 0 ? {} : { body: bodyOf(lines.join("\n")) }),
    ...(accept === undefined ? {} : { accept }),
    ...(type === undefined ? {} : { type: type === "nothing" ? "" : type }),
    ...(count === undefined ? {} : { lines: Number(count) }),
    ...(certificate === "none" ? { anonymous: true } : {}),
    headers: rest,
  };
  return { name, method: method!, path, sent, until: until && bodyOf(until), only };
}

function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TranscriptError(`not JSON: ${text}: ${String(cause)}`);
  }
}

/** Answers of a case's earlier steps, by their names. */
export type Answers = ReadonlyMap<string, unknown>;

const REFERENCE = /\$\{([^}]+)\}/g;

/**
 * Returns a value of a script with its references replaced. In a string, `${made.metadata.uid}` is
 * a member of the answer `made`, `${base64:token}` and `${damaged:token}` such a value encoded and
 * with a wrong signature, `${x*300}` a character so many times; a string that is nothing but a
 * reference becomes the member itself. `{"...": "made.spec", "replicas": 2}` is the member with
 * others over it, as in JavaScript, and beside it `"/spec/replicas": 2` replaces a member further
 * down, or takes it away by null.
 */
export function resolve(value: unknown, answers: Answers): unknown {
  if (typeof value === "string") return resolveText(value, answers);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => resolve(each, answers));
  let resolved: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const each = name === "..." ? lookUp(String(member), answers) : resolve(member, answers);
    if (name === "...") Object.assign(resolved, each);
    else if (!name.startsWith("/") || !("..." in value)) resolved[name] = each;
    else resolved = withMember(resolved, name, each) as typeof resolved;
  }
  return resolved;
}

function resolveText(text: string, answers: Answers): unknown {
  const [whole, reference] = /^\$\{([^}]+)\}$/.exec(text) ?? [];
  if (whole !== undefined) return lookUp(reference!, answers);
  return text.replace(REFERENCE, (_, each: string) => String(lookUp(each, answers)));
}

function lookUp(reference: string, answers: Answers): unknown {
  const [, repeated, count] = /^(.)\*(\d+)$/.exec(reference) ?? [];
  if (repeated !== undefined) return repeated.repeat(Number(count));
  const [, change, of] = /^(base64|damaged):(.+)$/.exec(reference) ?? [];
  if (change === "base64") return Buffer.from(String(lookUp(of!, answers))).toString("base64");
  if (change === "damaged") return `${String(lookUp(of!, answers)).slice(0, -8)}AAAAAAAA`;
  let value: unknown = Object.fromEntries(answers);
  for (const name of reference.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[name];
  }
  if (value === undefined) throw new TranscriptError(`no earlier answer has ${reference}`);
  return value;
}

/** Whether `value` has all that `part` has; null in `part` stands for what is missing. */
export function contains(value: unknown, part: unknown): boolean {
  if (part === null) return value === undefined || value === null;
  if (typeof part !== "object") return value === part;
  return Object.entries(part).every(([name, each]) =>
    contains((value as Record<string, unknown> | undefined)?.[name], each),
  );
}
