/** Requests as data: what a server chooses for itself stands in them by name. */
import type { Sent } from "../transcripts/caller.ts";
import type { Answered, Case, Recorder } from "../transcripts/recorder.ts";

/**
 * One request. In its path, headers and body `{ns}` is the sequence's namespace, `{rv}`, `{uid}`
 * and `{continue}` what the last answer that had one said, `{first-rv}` the first revision seen.
 */
export interface Step extends Sent {
  readonly method: string;
  readonly path: string;
  /** The path whose object, as last answered, the body is laid over as a merge patch. */
  readonly onto?: string;
}

/** State that a sequence keeps of a server's answers. */
type Seen = { readonly values: Map<string, string>; readonly objects: Map<string, object> };

const HOLDER = /\{(ns|rv|first-rv|uid|continue|continue-(?:cut|old|late|odd))\}/g;

/** A sequence as a case that runs against any server. */
export function caseOf(name: string, steps: readonly Step[]): Case {
  return {
    name,
    async run(recorder) {
      const seen: Seen = { values: new Map([["ns", recorder.ns]]), objects: new Map() };
      for (const step of steps) await take(step, recorder, seen);
    },
  };
}

async function take(step: Step, recorder: Recorder, seen: Seen): Promise<void> {
  const { method, path, onto, ...sent } = step;
  const whole = filled(path, seen);
  const answer = await recorder.ask(method, whole, {
    ...sent,
    ...(sent.headers === undefined ? {} : { headers: filledDeep(sent.headers, seen) }),
    ...(sent.body === undefined ? {} : { body: bodyOf(sent.body, onto, seen) }),
  });
  remember(answer, whole, seen);
}

function bodyOf(body: unknown, onto: string | undefined, seen: Seen): unknown {
  if (Buffer.isBuffer(body)) return body;
  const own = filledDeep(body, seen);
  const base = onto === undefined ? undefined : seen.objects.get(filled(onto, seen));
  return base === undefined ? own : laidOver(base, own);
}

function filledDeep<T>(value: T, seen: Seen): T {
  if (typeof value === "string") return filled(value, seen) as T;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((each: unknown) => filledDeep(each, seen)) as T;
  const members = Object.entries(value);
  return Object.fromEntries(members.map(([k, v]) => [filled(k, seen), filledDeep(v, seen)])) as T;
}

function filled(text: string, { values }: Seen): string {
  return text.replace(HOLDER, (_, name: string) => {
    if (!name.startsWith("continue")) return values.get(name) ?? "1";
    return encodeURIComponent(damaged(values.get("continue") ?? "none", name.slice(9)));
  });
}

/** A continue token changed in a way that is the same on servers with other revisions. */
function damaged(token: string, how: string): string {
  if (how === "") return token;
  if (how === "cut") return token.slice(0, -5);
  const text = Buffer.from(token, "base64url").toString();
  const parts: unknown = text.startsWith("{") ? JSON.parse(text) : {};
  const changed = {
    ...(parts as object),
    ...(how === "old" ? { rv: 1 } : how === "late" ? { start: "zzzz\0" } : { start: "../x" }),
  };
  return Buffer.from(JSON.stringify(changed)).toString("base64url");
}

function remember(answer: Answered, path: string, { values, objects }: Seen): void {
  const metadata = (answer as Partial<Answered>).metadata;
  if (metadata === undefined || metadata === null) return;
  if (metadata.resourceVersion) {
    values.set("rv", metadata.resourceVersion);
    if (!values.has("first-rv")) values.set("first-rv", metadata.resourceVersion);
  }
  if (metadata.uid) values.set("uid", metadata.uid);
  if (metadata.continue) values.set("continue", metadata.continue);
  if (metadata.uid) objects.set(path.split("?")[0]!.replace(/\/(status|scale)$/, ""), answer);
}

function laidOver(base: unknown, over: unknown): unknown {
  if (typeof over !== "object" || over === null || Array.isArray(over)) return over;
  const isObject = typeof base === "object" && base !== null && !Array.isArray(base);
  const result: Record<string, unknown> = isObject ? { ...base } : {};
  for (const [name, value] of Object.entries(over)) {
    if (value === null) delete result[name];
    else result[name] = laidOver(result[name], value);
  }
  return result;
}
