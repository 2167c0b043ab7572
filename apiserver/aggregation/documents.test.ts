import type { IncomingMessage, ServerResponse } from "node:http";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { ExtensionApiserver } from "../../testing/apiserver/extension-apiserver.ts";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";

const GROUP = "wardle.example.com";
const SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";
const V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

let api: TestApiserver;
let admin: KeyPair;
let extension: ExtensionApiserver;
/** The extension's pages by path; it answers 404 for others. */
let pages: Record<string, (request: IncomingMessage, response: ServerResponse) => void>;

beforeAll(async () => {
  const ca = await createCa({ commonName: "front-proxy-ca", days: 1, now_ms: Date.now() });
  const wanted = { commonName: "front-proxy-client", usages: ["client" as const], days: 1 };
  extension = await ExtensionApiserver.start("api.default.svc", ca.cert, (request, response) => {
    const page = pages[request.url ?? ""];
    if (page === undefined) response.writeHead(404).end();
    else page(request, response);
  });
  api = await startApiserverOnStore({
    proxyClient: await issueCertificate(ca, wanted, Date.now()),
    services: { resolve: async () => ({ host: "127.0.0.1", port: extension.port }) },
  });
  admin = await api.credentials("admin", ["system:masters"]);
  // Its checks need no endpoints: only a ClusterIP Service's are looked at.
  const spec = { type: "NodePort", ports: [{ port: 443 }] };
  await put("/api/v1/namespaces/default/services", { metadata: { name: "api" }, spec });
});
afterAll(async () => {
  await api.close();
  await extension.close();
});

let version = 0;
/** A version that no other test has. */
let name = "";
let path = "";
beforeEach(() => {
  name = `v${++version}`;
  path = `/apis/${GROUP}/${name}`;
});

const send = (target: string, options: AskOptions = {}) =>
  ask(api, target, { ...admin, ...options });

async function put(target: string, body: object): Promise<void> {
  const answer = await send(target, { method: "POST", body });
  expect(answer.status, answer.body).toBe(201);
}

async function register(group = GROUP, groupPriorityMinimum = 2000): Promise<void> {
  const spec = {
    group,
    version: name,
    groupPriorityMinimum,
    versionPriority: 10 + version,
    service: { name: "api", namespace: "default" },
    caBundle: extension.caBundle,
  };
  await put(SERVICES, { metadata: { name: `${name}.${group}` }, spec });
}

interface Version {
  version: string;
  resources?: { resource: string; subresources?: { subresource: string }[] }[];
  freshness: string;
}

async function groups(): Promise<{ metadata: { name: string }; versions: Version[] }[]> {
  const { body } = await send("/apis", { headers: { accept: V2 } });
  return (JSON.parse(body) as { items: never[] }).items;
}

async function shown(group = GROUP): Promise<Version | undefined> {
  const found = (await groups()).find(({ metadata }) => metadata.name === group);
  return found?.versions.find((each) => each.version === name);
}

const json =
  (value: unknown, type = "application/json", headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(200, { "content-type": type, ...headers }).end(JSON.stringify(value));

const flunders = {
  name: "flunders",
  singularName: "flunder",
  namespaced: true,
  kind: "Flunder",
  verbs: ["get", "list"],
};
const list = (...resources: object[]) =>
  json({ kind: "APIResourceList", groupVersion: `${GROUP}/v1`, resources });

async function until(freshness: string): Promise<Version> {
  let found: Version | undefined;
  await waitFor(freshness, async () => (found = await shown())?.freshness === freshness);
  return found!;
}

it("discovery shows the resources of a server with the version's own list alone", async () => {
  pages = { [path]: list(flunders, { ...flunders, name: "flunders/status" }) };
  await register();
  expect(await until("Current")).toEqual({
    version: name,
    freshness: "Current",
    resources: [
      {
        resource: "flunders",
        responseKind: { group: "", version: "", kind: "Flunder" },
        scope: "Namespaced",
        singularResource: "flunder",
        verbs: ["get", "list"],
        subresources: [
          {
            subresource: "status",
            responseKind: { group: "", version: "", kind: "Flunder" },
            verbs: ["get", "list"],
          },
        ],
      },
    ],
  });
});

it("groups and versions have the places of their priorities", async () => {
  pages = { [`/apis/zoo.example.com/${name}`]: list(flunders) };
  await register("zoo.example.com", 17_775);
  await waitFor("the group", async () => (await shown("zoo.example.com"))?.freshness === "Current");
  const names = (await groups()).map(({ metadata }) => metadata.name);
  expect(names.indexOf("zoo.example.com")).toBe(names.indexOf("apps") + 1);
  const legacy = JSON.parse((await send("/apis")).body) as { groups: { name: string }[] };
  const legacyNames = legacy.groups.map((each) => each.name);
  expect(legacyNames.indexOf("zoo.example.com")).toBe(legacyNames.indexOf("apps") + 1);
  const { body } = await send("/apis/zoo.example.com");
  expect(JSON.parse(body)).toMatchObject({ kind: "APIGroup", preferredVersion: { version: name } });
});

it("a server's aggregated discovery is read, and again only when it has changed", async () => {
  let asked = 0;
  const etag = '"e1"';
  const items = [
    {
      metadata: { name: GROUP },
      versions: [
        {
          version: name,
          freshness: "Current",
          resources: [
            {
              resource: "fischers",
              scope: "Cluster",
              singularResource: "fischer",
              verbs: ["get"],
              responseKind: { group: GROUP, version: name, kind: "Fischer" },
            },
          ],
        },
      ],
    },
  ];
  pages = {
    [path]: list(flunders),
    "/apis": (request, response) => {
      asked++;
      if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
      json({ kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", items }, V2, {
        etag,
      })(request, response);
    },
  };
  await register();
  expect((await until("Current")).resources?.map((each) => each.resource)).toEqual(["fischers"]);
  const before = asked;
  await send(`${SERVICES}/${name}.${GROUP}`, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: { spec: { versionPriority: 1 } },
  });
  await waitFor("another look", () => asked > before);
  expect((await until("Current")).resources?.map((each) => each.resource)).toEqual(["fischers"]);
});

it.each([
  ["hangs", () => undefined],
  ["answers garbage", (_, response) => void response.end("<html>")],
  ["answers another kind", json({ resources: "all" })],
  ["redirects", (_, response) => void response.writeHead(302, { location: "/" }).end()],
  [
    "never ends",
    (_, response) => {
      const more = () => {
        while (response.write("x".repeat(65_536)));
        response.once("drain", more);
      };
      response.on("error", () => undefined);
      more();
    },
  ],
] satisfies [string, (typeof pages)[string]][])(
  "a server that %s is shown as stale, and others are not",
  async (_, page) => {
    pages = { [path]: page, "/apis": page, "/openapi/v2": page, "/openapi/v3": page };
    await register();
    expect(await until("Stale")).toEqual({ version: name, freshness: "Stale" });
    expect(
      (await groups()).find(({ metadata }) => metadata.name === "apps")?.versions,
    ).toMatchObject([{ freshness: "Current" }]);
    expect((await send("/openapi/v3")).status).toBe(200);
  },
);

it("a document of OpenAPI is kept under its hash, and another hash leads to it", async () => {
  const { body } = await send("/openapi/v3");
  const { paths } = JSON.parse(body) as { paths: Record<string, { serverRelativeURL: string }> };
  const { serverRelativeURL: url } = paths["apis/apps/v1"]!;
  expect((await send(url)).headers).toMatchObject({
    "cache-control": "public, immutable",
    expires: expect.stringMatching(/^\w{3}, \d{2} \w{3} \d{4} .* GMT$/) as string,
  });
  const old = await send(url.replace(/hash=.*/, "hash=OLD"));
  expect([old.status, old.headers["location"]]).toEqual([301, url]);
  const plain = await send(url.replace(/\?.*/, ""));
  expect(plain.headers).toMatchObject({ "cache-control": "no-cache, private" });
});

it("a version goes with its APIService", async () => {
  pages = { [path]: list(flunders) };
  await register();
  await until("Current");
  await send(`${SERVICES}/${name}.${GROUP}`, { method: "DELETE" });
  await waitFor("its end", async () => (await shown()) === undefined);
  expect((await send(`${path}/flunders`)).status).toBe(404);
});

/** A document of version 2 with these definitions, of which the path uses the first. */
const swagger = (definitions: Record<string, object>) => ({
  swagger: "2.0",
  paths: {
    [`${path}/flunders`]: {
      get: { responses: { 200: { schema: ref(Object.keys(definitions)[0]!) } } },
    },
    "/apis/apps/v1/deployments": { get: {} },
    "/version": { get: { responses: { 200: { schema: ref("Unused") } } } },
  },
  definitions: { ...definitions, Unused: { type: "object" } },
});
const ref = (to: string) => ({ $ref: `#/definitions/${to}` });

it("a server's part of OpenAPI is merged, and what differs by one name gets another", async () => {
  const meta = "io.k8s.apimachinery.pkg.apis.meta.v1.";
  pages = {
    [path]: list(flunders),
    "/openapi/v2": json(
      swagger({
        "example.Flunder": {
          properties: {
            metadata: ref(`${meta}ObjectMeta`),
            preconditions: ref(`${meta}Preconditions`),
          },
        },
        [`${meta}ObjectMeta`]: { type: "object", properties: { old: { type: "string" } } },
        [`${meta}Preconditions`]: {
          type: "object",
          description: "other words",
          properties: { resourceVersion: { type: "string" }, uid: { type: "string" } },
        },
      }),
      "application/json",
      { etag: '"1"' },
    ),
    "/openapi/v3": json({
      paths: {
        [path.slice(1)]: { serverRelativeURL: `/openapi/v3${path}?hash=AB12` },
        "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=FF" },
      },
    }),
    [`/openapi/v3${path}`]: json({ openapi: "3.0.0" }),
  };
  await register();
  const paths = async () =>
    (
      JSON.parse((await send("/openapi/v3")).body) as {
        paths: Record<string, { serverRelativeURL: string }>;
      }
    ).paths;
  await waitFor("OpenAPI", async () => path.slice(1) in (await paths()));
  const found = await paths();
  const { serverRelativeURL: url } = found[path.slice(1)]!;
  expect(url).toBe(`/openapi/v3${path}?hash=AB12`);
  expect(found["apis/apps/v1"]!.serverRelativeURL).not.toContain("hash=FF");
  expect(JSON.parse((await send(url)).body)).toEqual({ openapi: "3.0.0" });
  const v2 = JSON.parse((await send("/openapi/v2")).body) as {
    paths: Record<string, object>;
    definitions: Record<string, { properties: object }>;
  };
  expect(v2.paths[`${path}/flunders`]).toBeDefined();
  expect(v2.paths["/apis/apps/v1/deployments"]).toHaveProperty("get.description");
  expect(v2.definitions["example.Flunder"]!.properties).toEqual({
    metadata: ref(`${meta}ObjectMeta_v2`),
    preconditions: ref(`${meta}Preconditions`),
  });
  expect(v2.definitions[`${meta}ObjectMeta`]!.properties).toHaveProperty("labels");
  expect(v2.definitions).not.toHaveProperty("Unused");
});
