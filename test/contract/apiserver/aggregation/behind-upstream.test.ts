import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../../testing/apiserver/test-apiserver.ts";
import {
  startUpstream,
  type UpstreamApiserver,
} from "../../../../testing/apiserver/upstream-apiserver.ts";
import { waitFor } from "../../../../testing/wait.ts";

const BINARY = join(import.meta.dirname, "../../../../.peers/bin/kube-apiserver");
const JSON_TYPE = "application/json";
const GROUP = "books.example.com";
const VERSION = `/apis/${GROUP}/v1`;
const BOOKS = `${VERSION}/namespaces/default/books`;
const HEADERS = {
  usernameHeaders: ["X-Remote-User"],
  uidHeaders: ["X-Remote-Uid"],
  groupHeaders: ["X-Remote-Group"],
  extraHeaderPrefixes: ["X-Remote-Extra-"],
};
const DEFINITION = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `books.${GROUP}` },
  spec: {
    group: GROUP,
    scope: "Namespaced",
    names: { kind: "Book", plural: "books" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { pages: { type: "integer", maximum: 999 } } },
            },
          },
        },
      },
    ],
  },
};

interface Listed<T> {
  items: T[];
}
interface Named {
  metadata: { name: string };
}

/**
 * Our server behind upstream's aggregator, as a server of one group: its own custom resources. It
 * is reached by the name of a Service of type ExternalName.
 */
describe.runIf(existsSync(BINARY))("ours behind upstream's aggregator", () => {
  let etcd: EtcdServer;
  let ours: TestApiserver;
  let upstream: UpstreamApiserver;
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "r2k-front-proxy-"));
    const now_ms = Date.now();
    const front = await createCa({ commonName: "front-proxy-ca", days: 1, now_ms });
    const wanted = { commonName: "front-proxy-client", usages: ["client" as const], days: 1 };
    const proxy = await issueCertificate(front, wanted, now_ms);
    const files = { ca: front.cert, cert: proxy.cert, key: proxy.key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    etcd = await startEtcd();
    const requestHeader = {
      ...HEADERS,
      clientCa: front.cert,
      allowedNames: ["front-proxy-client"],
    };
    ours = await startTestApiserver(etcd.client, { requestHeader });
    upstream = await startUpstream(BINARY, {
      "requestheader-client-ca-file": join(dir, "ca"),
      "requestheader-allowed-names": "front-proxy-client",
      "requestheader-username-headers": HEADERS.usernameHeaders[0]!,
      "requestheader-uid-headers": HEADERS.uidHeaders[0]!,
      "requestheader-group-headers": HEADERS.groupHeaders[0]!,
      "requestheader-extra-headers-prefix": HEADERS.extraHeaderPrefixes[0]!,
      "proxy-client-cert-file": join(dir, "cert"),
      "proxy-client-key-file": join(dir, "key"),
    });
    await define();
    await register();
  });
  afterAll(async () => {
    await upstream?.close();
    await ours?.close();
    await etcd?.close();
    await rm(dir, { recursive: true });
  });

  const send = (method: string, path: string, body?: object, type = JSON_TYPE) =>
    upstream.send(method, path, body === undefined ? "" : type, body);

  async function define(): Promise<void> {
    const pair = await ours.credentials("admin", ["system:masters"]);
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const { status, body } = await ask(ours, path, { ...pair, method: "POST", body: DEFINITION });
    expect(status, body).toBe(201);
    await waitFor("books in ours", async () => (await ask(ours, BOOKS, pair)).status === 200);
  }

  async function register(): Promise<void> {
    const service = { name: "ours", namespace: "default", port: Number(new URL(ours.server).port) };
    const made = async (path: string, body: object) =>
      expect((await send("POST", path, body)).status).toBe(201);
    await made("/api/v1/namespaces/default/services", {
      metadata: { name: service.name },
      spec: { type: "ExternalName", externalName: "localhost" },
    });
    await made("/apis/apiregistration.k8s.io/v1/apiservices", {
      metadata: { name: `v1.${GROUP}` },
      spec: {
        group: GROUP,
        version: "v1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service,
        insecureSkipTLSVerify: true,
      },
    });
  }

  test("it is available, and its kinds are in discovery and OpenAPI", async () => {
    await waitFor("the APIService", async () => {
      const { body } = await send("GET", `/apis/apiregistration.k8s.io/v1/apiservices/v1.${GROUP}`);
      const { conditions } = body["status"] as { conditions: { status: string }[] };
      return conditions?.[0]?.status === "True";
    });
    const { body } = await send("GET", VERSION);
    expect((body["resources"] as { name: string }[]).map(({ name }) => name)).toEqual(["books"]);
    const path = VERSION.slice(1);
    await waitFor(
      "OpenAPI",
      async () => path in ((await send("GET", "/openapi/v3")).body["paths"] as object),
    );
    const { body: document } = await send("GET", `/openapi/v3/${path}`);
    expect(JSON.stringify(document["components"])).toContain('"maximum":999');
    await waitFor("OpenAPI v2", async () =>
      Object.keys((await send("GET", "/openapi/v2")).body["paths"] as object).includes(
        `${VERSION}/books`,
      ),
    );
    await waitFor("aggregated discovery", async () => {
      const { items } = (await discovered()) as unknown as Listed<Named>;
      return items.some(({ metadata }) => metadata.name === GROUP);
    });
  });

  test("objects are created, watched, patched, refused, applied, deleted", async () => {
    const events: string[] = [];
    const stop = await follow(events);
    const book = { apiVersion: `${GROUP}/v1`, kind: "Book", metadata: { name: "first" } };
    expect((await send("POST", BOOKS, { ...book, spec: { pages: 1 } })).status).toBe(201);
    const merge = "application/merge-patch+json";
    const patched = await send("PATCH", `${BOOKS}/first`, { spec: { pages: 2 } }, merge);
    expect(patched.status).toBe(200);
    const refused = await send("PATCH", `${BOOKS}/first`, { spec: { pages: 1000 } }, merge);
    expect([refused.status, refused.body["reason"]]).toEqual([422, "Invalid"]);
    const apply = `${BOOKS}/applied?fieldManager=test`;
    const applied = { ...book, metadata: { name: "applied" }, spec: { pages: 3 } };
    expect((await send("PATCH", apply, applied, "application/apply-patch+yaml")).status).toBe(201);
    const { body } = await send("GET", BOOKS);
    expect(
      (body as unknown as Listed<Named>).items.map(({ metadata }) => metadata.name).sort(),
    ).toEqual(["applied", "first"]);
    expect((await send("DELETE", `${BOOKS}/first`)).status).toBe(200);
    await waitFor(`the last of ${events.join()}`, () => events.length >= 4);
    expect(events).toEqual(["ADDED first", "MODIFIED first", "ADDED applied", "DELETED first"]);
    stop();
  });

  test("the user is the one that the aggregator names, and needs rights in ours too", async () => {
    const path = "/apis/rbac.authorization.k8s.io/v1";
    const role = {
      metadata: { name: "reader" },
      rules: [{ apiGroups: [GROUP], resources: ["books"], verbs: ["list"] }],
    };
    const binding = {
      metadata: { name: "reader" },
      subjects: [{ kind: "User", name: "jane" }],
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
    };
    const roles = [
      ["clusterroles", role],
      ["clusterrolebindings", binding],
    ] as const;
    const list = async (): Promise<[number | undefined, string]> => {
      const answer = await requested(BOOKS, JSON_TYPE, { "impersonate-user": "jane" });
      return [answer.statusCode, await text(answer)];
    };
    const named = expect.stringContaining('User \\"jane\\" cannot list') as string;
    expect(await list()).toEqual([403, named]);
    const pair = await ours.credentials("admin", ["system:masters"]);
    for (const [kind, body] of roles) {
      const made = await ask(ours, `${path}/${kind}`, { ...pair, method: "POST", body });
      expect(made.status, made.body).toBe(201);
      expect((await list())[0]).toBe(403);
      expect((await send("POST", `${path}/${kind}`, body)).status).toBe(201);
    }
    await waitFor("her list", async () => (await list())[0] === 200);
    const gone = `${path}/clusterrolebindings/reader`;
    expect((await ask(ours, gone, { ...pair, method: "DELETE" })).status).toBe(200);
    await waitFor("ours to refuse her", async () => (await list())[0] === 403);
  });

  const requested = (path: string, accept: string, more: Record<string, string> = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { authorization: `Bearer ${upstream.token}`, accept, ...more };
      const to = { host: "127.0.0.1", port: upstream.port, rejectUnauthorized: false };
      request({ ...to, path, headers, agent: false }, resolve)
        .once("error", reject)
        .end();
    });

  async function discovered(): Promise<object> {
    const accept = `${JSON_TYPE};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`;
    return JSON.parse(await text(await requested("/apis", accept))) as object;
  }

  /** Follows the books; their events come into the list. */
  async function follow(events: string[]): Promise<() => void> {
    const answer = await requested(`${BOOKS}?watch=1`, JSON_TYPE);
    answer.on("error", () => undefined);
    createInterface({ input: answer }).on("line", (line) => {
      const { type, object } = JSON.parse(line) as { type: string; object: Named };
      events.push(`${type} ${object.metadata.name}`);
    });
    return () => answer.destroy();
  }
});
