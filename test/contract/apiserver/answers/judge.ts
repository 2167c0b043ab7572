import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { SendJson } from "../../../../testing/apiserver/send-json.ts";
import { type Case, type Subject, WITH_TEXTS } from "./cases.ts";

/** A server's answer to one case. */
export interface Answer {
  /** The status; 0 where the connection was cut: upstream panics at some requests. */
  readonly code: number;
  /** The reason of a refusal. */
  readonly reason?: string;
  /** A refusal's causes, sorted, each once: reason, field, and text where texts are compared. */
  readonly causes?: readonly (readonly string[])[];
  /** The text of a refusal without causes, where texts are compared. */
  readonly message?: string;
  /** The object of an accepted request, without what differs from run to run. */
  readonly object?: object;
}

const JSON_TYPE = "application/json";
/** Concurrent requests. */
const REQUESTS_MAX = 16;
const CONFLICT = 409;

const NAMESPACES = "/api/v1/namespaces";

/** Objects that must exist before the first request: the bases refer to them. */
const GROUND: readonly (readonly [path: string, object: object])[] = [
  [NAMESPACES, { metadata: { name: "limited" } }],
  [`${NAMESPACES}/default/serviceaccounts`, { metadata: { name: "default" } }],
  [
    `${NAMESPACES}/default/serviceaccounts`,
    { metadata: { name: "sa" }, automountServiceAccountToken: false },
  ],
  [
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    { metadata: { name: "pc" }, value: 5, preemptionPolicy: "Never" },
  ],
  ["/apis/node.k8s.io/v1/runtimeclasses", { metadata: { name: "rc" }, handler: "crun" }],
];

/** Asks a server everything; the answers by the case's id, those to creations first. */
export async function judge(
  subjects: readonly Subject[],
  send: SendJson,
): Promise<Map<string, Answer>> {
  for (const [path, object] of GROUND) {
    const { status, body } = await send("POST", path, JSON_TYPE, object);
    // The account is there already where a controller made it.
    if (status !== 201 && status !== 409) throw new Error(`${path}: ${JSON.stringify(body)}`);
  }
  const asker = new Asker(send);
  await asker.all(
    subjects.flatMap((subject) =>
      subject.creates.map((each) => ({ subject, case: each, object: subject.object })),
    ),
  );
  const updates: Asked[] = [];
  for (const subject of subjects.filter((each) => each.stored && each.updates.length > 0)) {
    const { collection, object } = subject;
    // A server that refuses a base gives itself away by the answers to updates.
    await send("POST", collection, JSON_TYPE, object);
    const stored = await asker.stored(subject);
    updates.push(...subject.updates.map((each) => ({ subject, case: each, object: stored })));
  }
  await asker.all(updates);
  return asker.answers;
}

type Asked = { readonly subject: Subject; readonly case: Case; readonly object: KubeObject };

class Asker {
  readonly answers = new Map<string, Answer>();
  readonly #send: SendJson;

  constructor(send: SendJson) {
    this.#send = send;
  }

  async all(asked: readonly Asked[]): Promise<void> {
    const rest = asked.values();
    const work = async () => {
      for (const each of rest) this.answers.set(each.case.id, await this.#ask(each));
    };
    await Promise.all(Array.from({ length: REQUESTS_MAX }, work));
  }

  /** The object as the server has it now; the base where it has none. */
  async stored({ collection, object }: Subject): Promise<KubeObject> {
    const path = `${collection}/${object.metadata.name}`;
    const { status, body } = await this.#send("GET", path, "", undefined);
    if (status !== 200) return object;
    const stored = body as unknown as KubeObject;
    delete stored.metadata.managedFields;
    return stored;
  }

  async #ask({ subject, case: each, object }: Asked): Promise<Answer> {
    const { collection } = subject;
    const path = `${collection}${each.path}`;
    const ask = async (from: KubeObject): Promise<Answer> => {
      const body = each.body(from);
      // A stored object keeps its port, which is not allocated to another one.
      const asksForPort = JSON.stringify(each.method === "PUT" ? [from, body] : body).includes(
        GIVEN_PORT,
      );
      return await this.#send(each.method, path, JSON_TYPE, body).then(
        (answer) => read(subject, each.id, answer, asksForPort),
        withoutAnswer,
      );
    };
    const answer = await ask(object);
    if (answer.code !== CONFLICT || each.method !== "PUT") return answer;
    // A controller within the server may have been faster.
    return await ask(await this.stored(subject));
  }
}

/** Throws what is no cut connection. */
function withoutAnswer(thrown: unknown): Answer {
  if ((thrown as { code?: unknown }).code !== "ECONNRESET") throw thrown;
  return { code: 0 };
}

interface Refusal {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly causes?: readonly { reason?: string; field?: string; message?: string }[];
  };
}

function read(
  { schema, stored }: Subject,
  id: string,
  { status, body }: Awaited<ReturnType<SendJson>>,
  asksForPort: boolean,
): Answer {
  // The result of a review depends on the server and the requester.
  if (status < 400 && !stored) return { code: status };
  if (status < 400) return { code: status, object: comparable(body, id, asksForPort) };
  const { reason = "", message = "", details } = body as Refusal;
  const texts = WITH_TEXTS.has(schema);
  const causes = (details?.causes ?? []).map((each) => [
    each.reason ?? "",
    each.field ?? "",
    ...(texts ? [settled((each.message ?? "").split("\n")[0]!)] : []),
  ]);
  const unique = new Map(causes.map((each) => [JSON.stringify(each), each]));
  return {
    code: status,
    reason,
    ...(causes.length > 0
      ? { causes: [...unique.keys()].sort().map((key) => unique.get(key)!) }
      : {}),
    ...(texts && causes.length === 0 ? { message: settled(message) } : {}),
  };
}

/** Times that bases and their changes have; any other is of today. */
const GIVEN_TIME = /^202[67]-01-01T/;

/** The node port that bases ask for. A server may choose it too where none asked. */
const GIVEN_PORT = "30080";
const CHOSEN_PORT = new RegExp(`(?<=[nN]odePort":)${GIVEN_PORT}`, "g");

/** Values generated for each object or each run, and their replacements. */
const MADE_UP: readonly (readonly [RegExp, (found: string) => string])[] = [
  [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, () => "UID"],
  [/kube-api-access-[a-z0-9]{5}/g, () => "kube-api-access"],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (found) => (GIVEN_TIME.test(found) ? found : "NOW")],
  [/\b10\.96\.\d+\.\d+/g, (found) => (found === "10.96.0.5" ? found : "ADDRESS")],
  // A server may take the address from the ServiceCIDR of another case.
  [/(?<="clusterIPs?":\[?")10\.200\.\d+\.\d+/g, () => "ADDRESS"],
  // The recorder's token says the one of its user, a certificate the other.
  [/"uid":"admin",/g, () => ""],
  [/"extra":\{"authentication.kubernetes.io\/credential-id":\["X509[^\]]*"\]\},?/g, () => ""],
  [/(?<=[nN]odePort":)3\d{4}/g, (found) => (found === GIVEN_PORT ? found : '"PORT"')],
];

/** The same text on each run. */
function settled(text: string): string {
  return MADE_UP.reduce((result, [form, instead]) => result.replaceAll(form, instead), text);
}

/** Kinds whose status a controller within upstream's apiserver writes when it likes. */
const FOLLOWED = new Set([
  "APIService",
  "CustomResourceDefinition",
  "FlowSchema",
  "PriorityLevelConfiguration",
  "ServiceCIDR",
]);

/**
 * An object as it is compared: without generated values. Unset fields are left out: Go writes
 * `null` for some lists and times, see docs/DIVERGENCE.md.
 */
function comparable(body: object, id: string, asksForPort: boolean): object {
  const { metadata = {}, ...rest } = body as {
    metadata?: Record<string, unknown>;
    kind?: string;
    status?: unknown;
  };
  for (const key of ["uid", "resourceVersion", "creationTimestamp", "managedFields"]) {
    delete metadata[key];
  }
  if (FOLLOWED.has(rest.kind ?? "") && !id.includes(" status ")) delete rest.status;
  const text = settled(JSON.stringify(sorted({ ...rest, metadata })));
  const chosen = asksForPort ? text : text.replaceAll(CHOSEN_PORT, '"PORT"');
  return JSON.parse(chosen) as object;
}

/** A value without empty parts, its objects' fields in the order of their names. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => child !== null && !(Array.isArray(child) && child.length === 0))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}
