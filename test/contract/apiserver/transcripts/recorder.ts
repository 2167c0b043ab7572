import { decodeObject, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import { parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { parse } from "yaml";
import type { Received, Sent } from "./caller.ts";
import { Names } from "./normalise.ts";
import { memberAt } from "./pointer.ts";
import type { Server } from "./servers.ts";
import { signToken } from "./sign-token.ts";
import { USUAL } from "./transcript.ts";

/** A server's answer, as a transcript has it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** One request and the answer. */
export interface Exchange extends Answer {
  /** Method, path and other distinguishing parts; a number if all are equal. */
  readonly ask: string;
  /** The request's body; undefined without one. */
  readonly sent?: unknown;
}

/** The requests of a case. Paths that start with a letter are in its own namespace. */
export interface Recorder {
  readonly ns: string;
  /** A service account token with these claims, signed as the server's own. */
  sign(claims: object): string;
  /** Sends a request, records the answer, or `only` a member of it, and returns its JSON. */
  ask(method: string, path: string, sent?: Sent, only?: string): Promise<Answered>;
  /** Records what no server answered. */
  note(ask: string, body: unknown): void;
  /** Replaces a server's port and certificate in what is recorded. */
  conceal(hooks: { readonly port: number; readonly ca: string }): void;
  /** Sends a request without recording it: to wait for what a server does later. */
  peek(method: string, path: string, sent?: Sent): Promise<Answered>;
  get(path: string, sent?: Sent): Promise<Answered>;
  post(path: string, body: unknown, sent?: Sent): Promise<Answered>;
  put(path: string, body: unknown, sent?: Sent): Promise<Answered>;
  /** `type` is the patch's: `merge`, `strategic`, `json` or `apply`. */
  patch(path: string, type: keyof typeof PATCH_TYPES, body: unknown): Promise<Answered>;
  delete(path: string, body?: unknown, sent?: Sent): Promise<Answered>;
}

export interface Case {
  readonly name: string;
  run(recorder: Recorder): Promise<void>;
}

/** A server, and the port by which others find it. */
export type Asked = Pick<Server, "call" | "advertisedPort" | "serviceAccountKey">;

/** An object as far as cases look into it. */
export interface Answered {
  metadata: { uid: string; resourceVersion: string; continue?: string; [name: string]: unknown };
  [name: string]: unknown;
}

const PATCH_TYPES = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml",
};

/** Headers that clients act on. */
const HEADERS = [
  "content-type",
  "content-encoding",
  "cache-control",
  "warning",
  "retry-after",
  "location",
  "www-authenticate",
  "allow",
  "vary",
];

/** Headers recorded of a request with an audit id of its own. */
const NAMED_HEADERS = [
  "audit-id",
  "x-kubernetes-pf-flowschema-uid",
  "x-kubernetes-pf-prioritylevel-uid",
];

/** Our warning about a write of a kind that no controller acts on (docs/DIVERGENCE.md). */
const STORED_ONLY = /(, )?299 - "\w+ is stored, but [^"]*"(?=, |$)/g;

/** Runs a case against a server, in a namespace of its own, and returns its exchanges. */
export async function record(testCase: Case, server: Asked): Promise<Exchange[]> {
  const ns = `s-${testCase.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`.slice(0, 50);
  const metadata = { name: ns };
  const { advertisedPort, call } = server;
  await call("POST", "/api/v1/namespaces", { body: { metadata } });
  const account = { metadata: { name: "default" } };
  await call("POST", `/api/v1/namespaces/${ns}/serviceaccounts`, { body: account });
  const exchanges: Exchange[] = [];
  await testCase.run(recorderOf(ns, server, new Names(advertisedPort), exchanges));
  return exchanges;
}

function recorderOf(ns: string, server: Asked, names: Names, exchanges: Exchange[]): Recorder {
  const { call, serviceAccountKey } = server;
  const numbered = (title: string) => {
    const before = exchanges.filter(({ ask }) => ask.replace(/ \(\d+\)$/, "") === title).length;
    return before === 0 ? title : `${title} (${before + 1})`;
  };
  const ask: Recorder["ask"] = async (method, path, sent = {}, only = "") => {
    const whole = wholePath(ns, path);
    const received = await call(method, whole, sent);
    const read = contentOf(received);
    const body = names.value(received.status < 400 ? memberAt(read, only) : read);
    const shown = body === undefined || body === "" ? {} : { body };
    exchanges.push({
      ask: numbered(titleOf(method, names.text(path), sent)),
      ...(sent.body === undefined ? {} : { sent: names.sent(sent.body) }),
      status: received.status,
      headers: headersOf(received, names, sent),
      ...shown,
    });
    return (typeof read === "object" ? read : {}) as Answered;
  };
  return {
    ns,
    note: (title, body) =>
      void exchanges.push({
        ask: numbered(title),
        status: 200,
        headers: USUAL,
        body: names.value(body),
      }),
    conceal: ({ port, ca }) => names.conceal({ [ca]: "CA", [`:${port}`]: ":HOOKS" }, port),
    sign: (claims) => signToken(serviceAccountKey, claims),
    ask,
    peek: async (method, path, sent = {}) =>
      contentOf(await call(method, wholePath(ns, path), sent)) as Answered,
    get: (path, sent) => ask("GET", path, sent),
    post: (path, body, sent) => ask("POST", path, { body, ...sent }),
    put: (path, body, sent) => ask("PUT", path, { body, ...sent }),
    patch: (path, type, body) => ask("PATCH", path, { body, type: PATCH_TYPES[type] }),
    delete: (path, body, sent) => ask("DELETE", path, { ...(body ? { body } : {}), ...sent }),
  };
}

/** `pods/a` lies in the case's namespace, and so does `apps/v1:deployments/a`. */
function wholePath(ns: string, path: string): string {
  if (path.startsWith("/")) return path;
  const [, group, rest = path] = /^([\w.]+\/v\w+):(.*)$/.exec(path) ?? [];
  return `${group ? `/apis/${group}` : "/api/v1"}/namespaces/${ns}/${rest}`;
}

function titleOf(method: string, path: string, sent: Sent): string {
  const as = sent.headers?.["impersonate-user"];
  const accept = sent.accept === undefined ? "" : ` as ${sent.accept}`;
  const type = sent.type === undefined ? "" : ` with ${sent.type}`;
  return `${method} ${path}${accept}${type}${as === undefined ? "" : ` by ${as}`}`;
}

/**
 * Returns a body's content: JSON, YAML and protobuf as values, a watch as its lines, else the text.
 */
function contentOf({ headers, body }: Received): unknown {
  const [type = ""] = String(headers["content-type"] ?? "").split(";");
  if (body.length === 0) return "";
  if (type === "application/vnd.kubernetes.protobuf") return { protobuf: protobufOf(body) };
  const text = body.toString("utf8");
  if (type === "application/yaml") return { yaml: parse(text) as unknown };
  if (!type.endsWith("json")) return text;
  const lines = text.trimEnd().split("\n");
  if (/^\{"type":"[A-Z]+","object":/.test(text)) {
    return { events: lines.map((line) => JSON.parse(line) as unknown) };
  }
  return JSON.parse(text) as unknown;
}

function protobufOf(body: Buffer): unknown {
  const envelope = readEnvelope(body);
  const { apiVersion, kind } = envelope;
  const { group, version } = parseApiVersion(apiVersion)!;
  const meta = kind === "Status" || kind.startsWith("API") || kind.startsWith("PartialObject");
  const folder = meta ? "meta" : group === "" ? "core" : group.split(".")[0];
  return decodeObject(`${folder}/${meta ? "v1" : version}.${kind}`, envelope);
}

function headersOf({ headers }: Received, names: Names, sent: Sent): Exchange["headers"] {
  const kept: Record<string, string> = {};
  const isNamed = sent.headers?.["audit-id"] !== undefined;
  for (const name of isNamed ? [...HEADERS, ...NAMED_HEADERS] : HEADERS) {
    const value = headers[name];
    if (value === undefined) continue;
    const text = names.text(String(value)).replaceAll(STORED_ONLY, "").replace(/^, /, "");
    if (text !== "") kept[name] = text;
  }
  return kept;
}
