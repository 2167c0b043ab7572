import type { Kind } from "@raft2kube/api/kind.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { WebhookServer } from "../../testing/apiserver/webhook-server.ts";
import { waitFor } from "../../testing/wait.ts";
import { versioned } from "../admission/matching/versions.ts";
import type { AdmissionRequest } from "../admission/plugin.ts";
import { CONVERTED_TEXTS_MAX, CONVERTED_VALUES_MAX } from "../limits.ts";
import { WebhookClient } from "../webhook/client.ts";
import { Connections } from "../webhook/connections.ts";
import { conversionsBy } from "./conversion.ts";
import { kindsOf } from "./custom-resources.ts";
import type { Definition } from "./definition.ts";
import { define, definitionOf } from "./testing/definitions.ts";

const server = fileApiserver();
const { ask } = server;
const GROUP = "stable.example.com";

interface Host {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; uid: string; labels?: Record<string, string> };
  /** The member of version v1. */
  spec?: { hostPort: string };
  /** The members of version v2. */
  host?: string;
  port?: string;
}

interface Review {
  apiVersion: string;
  request: { uid: string; desiredAPIVersion: string; objects: Host[] };
}

/** Converts between `spec.hostPort` of v1, and `host` and `port` of v2. */
function convert({ spec, host, port, ...object }: Host, apiVersion: string): Host {
  if (apiVersion.endsWith("v2")) {
    const [first = "", second = ""] = spec!.hostPort.split(":");
    return { ...object, apiVersion, host: first, port: second };
  }
  return { ...object, apiVersion, spec: { hostPort: `${host}:${port}` } };
}

type Answer = (review: Review, converted: Host[]) => object;

const honest: Answer = ({ apiVersion, request: { uid } }, convertedObjects) => ({
  apiVersion,
  kind: "ConversionReview",
  response: { uid, convertedObjects, result: { status: "Success" } },
});

let answer = honest;
let webhook: WebhookServer;
const strict = { type: "object", properties: { known: { type: "string" } } };
const preserved = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const any = { schema: { openAPIV3Schema: { ...preserved, properties: { strict } } } };

beforeAll(async () => {
  webhook = await WebhookServer.start(({ body }, response) => {
    const review = JSON.parse(body) as Review;
    const { objects, desiredAPIVersion } = review.request;
    response.setHeader("content-type", "application/json");
    const converted = objects.map((each) => convert(each, desiredAPIVersion));
    response.end(JSON.stringify(answer(review, converted)));
  });
  const definition = definitionOf("hosts", "Host");
  const versions = [
    { name: "v1", served: true, storage: true, ...any },
    { name: "v2", served: true, storage: false, ...any },
  ];
  const clientConfig = { url: `${webhook.url}/convert`, caBundle: webhook.caBundle };
  const conversion = {
    strategy: "Webhook",
    webhook: { clientConfig, conversionReviewVersions: ["v1"] },
  };
  await define(ask, { ...definition, spec: { ...definition.spec, versions, conversion } });
});
afterAll(() => webhook.close());
beforeEach(() => {
  answer = honest;
});

const path = (version: string, name = "") =>
  `/apis/${GROUP}/${version}/namespaces/default/hosts${name && `/${name}`}`;

async function json(at: string, method = "GET", body?: object) {
  const { status, body: text } = await ask(at, { method, ...(body && { body }) });
  return { status, body: JSON.parse(text) as Host & { message: string; items: Host[] } };
}

it("objects are written and read in each version, and stored in one", async () => {
  const own = { host: "h", port: "1" };
  const v2 = { apiVersion: `${GROUP}/v2`, kind: "Host", metadata: { name: "a" }, ...own };
  const made = await json(path("v2"), "POST", v2);
  expect([made.status, made.body.host, made.body.apiVersion]).toEqual([201, "h", `${GROUP}/v2`]);
  expect((await json(path("v1", "a"))).body.spec).toEqual({ hostPort: "h:1" });
  const list = await json(path("v2"));
  expect(list.body.items.map(({ host, port }) => [host, port])).toEqual([["h", "1"]]);
  // The cache of v2 may start meanwhile.
  const calls = () =>
    webhook.calls.filter(({ body }) => !body.includes(`APIVersion":"${GROUP}/v2`));
  const before = calls().length;
  expect((await json(path("v1"))).body.items).toHaveLength(1);
  expect(calls()).toHaveLength(before);
});

it("a webhook that fails fails the other version alone, until it is back", async () => {
  answer = () => ({ apiVersion: "apiextensions.k8s.io/v1", kind: "ConversionReview" });
  await json(path("v1"), "POST", {
    apiVersion: `${GROUP}/v1`,
    kind: "Host",
    metadata: { name: "b" },
    spec: { hostPort: "i:2" },
  });
  const failed = await json(path("v2", "b"));
  expect([failed.status, failed.body.message]).toEqual([
    500,
    `conversion webhook for ${GROUP}/v1, Kind=Host failed: no response provided`,
  ]);
  expect((await json(path("v2"))).status).toBe(500);
  expect((await json(path("v1", "b"))).status).toBe(200);
  expect((await json(path("v1"))).status).toBe(200);
  answer = honest;
  const isBack = async () => (await json(path("v2"))).status === 200;
  await waitFor("the list of the other version", isBack);
});

it("a webhook that fails for objects of one namespace fails no list of another", async () => {
  const elsewhere = path("v2").replace("default", "elsewhere");
  answer = (review) => honest(review, []);
  const v1 = { apiVersion: `${GROUP}/v1`, kind: "Host", spec: { hostPort: "i:2" } };
  await json(path("v1"), "POST", { ...v1, metadata: { name: "poison" } });
  const fails = async () => (await json(path("v2"))).status === 500;
  await waitFor("the cache to break", fails);
  expect((await json(elsewhere)).status).toBe(200);
  const any = "?resourceVersion=0";
  expect((await json(`${elsewhere}/absent${any}`)).status).toBe(404);
  answer = honest;
  await waitFor("the list", async () => !(await fails()));
});

it.each<[string, Answer, string]>([
  ["fewer objects", (review) => honest(review, []), "returned 0 objects, expected 1"],
  [
    "another uid",
    (review, all) => honest({ ...review, request: { ...review.request, uid: "x" } }, all),
    "failed: expected response.uid=",
  ],
  [
    "another name",
    (review, [host]) => honest(review, [{ ...host!, metadata: { ...host!.metadata, name: "z" } }]),
    "returned invalid object at index 0: must have the same name: a != z",
  ],
  [
    "another version",
    (review, [host]) => honest(review, [{ ...host!, apiVersion: "a/v9" }]),
    "invalid groupVersion (expected stable.example.com/v2, received a/v9)",
  ],
  [
    "a refusal",
    ({ apiVersion, request: { uid } }) => ({
      apiVersion,
      kind: "ConversionReview",
      response: { uid, result: { status: "Failure", message: "no such thing" } },
    }),
    "failed: no such thing",
  ],
])("a webhook that answers %s is named with its error", async (_what, lie, message) => {
  answer = lie;
  const failed = await json(path("v2", "a"));
  expect([failed.status, failed.body.message]).toEqual([500, expect.stringContaining(message)]);
});

it("a webhook changes nothing of metadata but labels and annotations", async () => {
  answer = (review, all) =>
    honest(
      review,
      all.map((host) => ({
        ...host,
        metadata: { ...host.metadata, labels: { by: "webhook" }, finalizers: ["evil.io/x"] },
      })),
    );
  const { body } = await json(path("v2", "a"));
  expect(body.metadata).toMatchObject({ labels: { by: "webhook" } });
  expect(body.metadata).not.toHaveProperty("finalizers");
});

it("no metadata is cloned, whose managed fields may take a second", async () => {
  const clone = vi.spyOn(globalThis, "structuredClone");
  expect((await json(path("v2", "a"))).status).toBe(200);
  expect(clone).not.toHaveBeenCalled();
  clone.mockRestore();
});

it("a webhook adds a bounded number of labels, which are validated", async () => {
  const labelled = (count: number) => {
    const labels = Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, ""]));
    answer = (review, all) =>
      honest(
        review,
        all.map((host) => ({ ...host, metadata: { ...host.metadata, labels } })),
      );
    return json(path("v2", "a"));
  };
  expect((await labelled(CONVERTED_TEXTS_MAX)).status).toBe(200);
  const failed = await labelled(CONVERTED_TEXTS_MAX + 1);
  expect([failed.status, failed.body.message]).toEqual([
    500,
    expect.stringContaining(`metadata.labels has more than ${CONVERTED_TEXTS_MAX} that are new`),
  ]);
});

it("annotations that a webhook leaves count towards the size of all", async () => {
  const own = { first: "x".repeat(200 * 1024) };
  await json(path("v1"), "POST", {
    apiVersion: `${GROUP}/v1`,
    kind: "Host",
    metadata: { name: "annotated", annotations: own },
    spec: { hostPort: "j:3" },
  });
  const annotated = (second: string) => {
    const annotations = { ...own, second };
    answer = (review, all) =>
      honest(
        review,
        all.map((host) => ({ ...host, metadata: { ...host.metadata, annotations } })),
      );
    return json(path("v2", "annotated"));
  };
  expect((await annotated("x")).status).toBe(200);
  const failed = await annotated("x".repeat(100 * 1024));
  expect([failed.status, failed.body.message]).toEqual([
    500,
    expect.stringContaining("metadata.annotations: Too long"),
  ]);
});

it("a conversion ends with the request that it is for", async () => {
  const silent = await WebhookServer.start(() => undefined);
  const connections = new Connections({ resolve: () => Promise.reject(new Error("no service")) });
  const client = new WebhookClient(connections, systemClock());
  const clientConfig = { url: silent.url, caBundle: silent.caBundle };
  const conversion = {
    strategy: "Webhook",
    webhook: { clientConfig, conversionReviewVersions: ["v1"] },
  };
  const host = { apiVersion: `${GROUP}/v1`, kind: "Host", metadata: { name: "h" } };
  const { metadata, spec } = definitionOf("hosts", "Host");
  const status = { acceptedNames: spec.names, conditions: [], storedVersions: ["v1"] };
  const crd = { metadata, spec: { ...spec, conversion }, status } as Definition;
  const [from] = kindsOf(crd, conversionsBy(client)(crd));
  const to = { group: GROUP, version: "v2" } as Kind;
  const aborting = new AbortController();
  const converting = expect(
    versioned(
      { object: host, resource: { kind: from }, signal: aborting.signal } as AdmissionRequest,
      to,
    ),
  ).rejects.toThrow("context canceled");
  await waitFor("the call", () => silent.calls.length > 0);
  aborting.abort();
  await converting;
  connections.close();
  await silent.close();
});

it("what a webhook answers is pruned by the schema of its version", async () => {
  answer = (review, all) =>
    honest(
      review,
      all.map((host) => ({ ...host, strict: { known: "a", unknown: "b" } })),
    );
  const { status, body } = await json(path("v2", "a"));
  expect([status, body]).toEqual([200, expect.objectContaining({ strict: { known: "a" } })]);
});

it("an answer that is nested without end is the conversion's failure", async () => {
  const deep = JSON.parse("[".repeat(500) + "]".repeat(500)) as unknown;
  answer = (review, all) =>
    honest(
      review,
      all.map((host) => ({ ...host, deep })),
    );
  const failed = await json(path("v2", "a"));
  expect([failed.status, failed.body.message]).toEqual([
    500,
    expect.stringContaining("it is nested deeper than 200"),
  ]);
});

it("an answer of many more values than a webhook was sent is the conversion's failure", async () => {
  const wide = Object.fromEntries(Array.from({ length: CONVERTED_VALUES_MAX }, (_, i) => [i, i]));
  answer = (review, all) =>
    honest(
      review,
      all.map((host) => ({ ...host, wide })),
    );
  const failed = await json(path("v2", "a"));
  expect([failed.status, failed.body.message]).toEqual([
    500,
    expect.stringMatching(/the answer has more than \d+ values/),
  ]);
});
