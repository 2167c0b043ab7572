import { connect } from "node:http2";
import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

/** Properties that every object of JavaScript inherits; lookups in tables must not find them. */
const WORDS = ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"];
const NS = "namespaces/default";

const server = fileApiserver();
const { ask } = server;

beforeAll(async () => {
  const body = { metadata: { name: "default" } };
  await ask(`/api/v1/${NS}/serviceaccounts`, { method: "POST", body });
});

/** An object with a word where its author may choose one, and the code that it deserves. */
type Case = [path: string, body: (word: string) => object, code: number];

const metadata = { name: "odd" };
const container = { name: "c", image: "i" };
const pod = (spec: object) => ({ metadata, spec: { containers: [container], ...spec } });
const amount = (word: string) => ({ requests: Object.fromEntries([[word, "1"]]) });
const target = { apiVersion: "apps/v1", kind: "Deployment", name: "d" };
const hpa = (metric: object) => ({
  metadata,
  spec: { scaleTargetRef: target, maxReplicas: 1, metrics: [metric] },
});
const expression = (operator: string) => ({ matchExpressions: [{ key: "a", operator }] });

const CASES: readonly Case[] = [
  [`/api/v1/${NS}/secrets`, (type) => ({ metadata, type }), 201],
  [`/api/v1/${NS}/pods`, (restartPolicy) => pod({ restartPolicy }), 422],
  [
    `/api/v1/${NS}/pods`,
    (word) => pod({ containers: [{ ...container, resources: amount(word) }] }),
    422,
  ],
  [`/api/v1/${NS}/pods`, (word) => pod({ nodeSelector: Object.fromEntries([[word, "x"]]) }), 201],
  [`/api/v1/${NS}/services`, (type) => ({ metadata, spec: { type, ports: [{ port: 1 }] } }), 422],
  [`/api/v1/${NS}/resourcequotas`, (word) => ({ metadata, spec: { hard: { [word]: "1" } } }), 422],
  [`/apis/autoscaling/v2/${NS}/horizontalpodautoscalers`, (type) => hpa({ type }), 422],
  [
    `/apis/policy/v1/${NS}/poddisruptionbudgets`,
    (operator) => ({ metadata, spec: { selector: expression(operator), maxUnavailable: 1 } }),
    422,
  ],
  [
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    (word) => ({ metadata, value: 1, preemptionPolicy: word }),
    422,
  ],
  [`/api/v1/${NS}/configmaps`, (apiVersion) => ({ apiVersion, kind: "ConfigMap", metadata }), 400],
  [`/api/v1/${NS}/configmaps`, (kind) => ({ apiVersion: "v1", kind, metadata }), 400],
];

it.each(WORDS)("%s is a word like any other", async (word) => {
  for (const [path, make, code] of CASES) {
    const text = JSON.stringify(make(word));
    const headers = { "content-type": "application/json" };
    const answer = await ask(`${path}?dryRun=All`, { method: "POST", headers, body: text });
    // A label's name starts with a letter or digit.
    const deserved = word === "__proto__" && text.includes("nodeSelector") ? 422 : code;
    expect([path, text, answer.status, answer.body]).toEqual([path, text, deserved, answer.body]);
  }
  for (const path of [`/api/v1/${word}`, `/apis/${word}/v1/x`, `/api/v1/${NS}/pods/x/${word}`]) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
});

it("a member called __proto__ is kept as one, by bodies and patches", async () => {
  const path = `/api/v1/${NS}/configmaps`;
  const headers = { "content-type": "application/json" };
  const body = `{"metadata":{"name":"members"},"data":{"__proto__":"a","toString":"b"}}`;
  const made = await ask(path, { method: "POST", headers, body });
  expect([made.status, made.body]).toEqual([201, made.body]);
  const patch = `{"data":{"__proto__":"c","hasOwnProperty":"d"}}`;
  for (const type of ["merge-patch+json", "strategic-merge-patch+json"]) {
    const patched = await ask(`${path}/members`, {
      method: "PATCH",
      headers: { "content-type": `application/${type}` },
      body: patch,
    });
    expect([type, patched.status]).toEqual([type, 200]);
    expect(patched.body).toContain(`"data":{"__proto__":"c","toString":"b","hasOwnProperty":"d"}`);
  }
  expect(({} as { polluted?: string }).polluted).toBeUndefined();
});

it("a method of HTTP/2 may be any word, and is none that is served", async () => {
  const session = connect(server.api.server, { ca: server.api.ca.cert, ...server.admin });
  try {
    for (const word of WORDS) {
      const stream = session.request({ ":method": word, ":path": `/api/v1/${NS}/pods` });
      stream.end();
      const status = await new Promise<number>((resolve, reject) => {
        stream.on("response", (headers) => resolve(headers[":status"]!));
        stream.on("error", reject);
      });
      stream.close();
      expect([word, status]).toEqual([word, 405]);
    }
  } finally {
    session.destroy();
  }
});
