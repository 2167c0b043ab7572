import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Answer, type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { ExtensionApiserver } from "../../testing/apiserver/extension-apiserver.ts";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  AGGREGATED_IN_FLIGHT_MAX,
  AGGREGATED_LASTING_MAX,
  AGGREGATED_LIST_BYTES_MAX,
  AGGREGATED_WATCH_BYTES_MAX,
  SHARE,
} from "../limits.ts";

const GROUP = "wardle.example.com";
const VERSION = `/apis/${GROUP}/v1alpha1`;
const FLUNDERS = `${VERSION}/namespaces/default/flunders`;
const SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";
const NAME = `v1alpha1.${GROUP}`;

let api: TestApiserver;
let admin: KeyPair;
let extension: ExtensionApiserver;
/** How the extension answers beside its discovery. */
let answers: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  const now_ms = Date.now();
  const frontProxy = await createCa({ commonName: "front-proxy-ca", days: 1, now_ms });
  const wanted = { commonName: "front-proxy-client", usages: ["client" as const], days: 1 };
  extension = await ExtensionApiserver.start(
    "api.default.svc",
    frontProxy.cert,
    (asked, answer) => {
      if (asked.url === VERSION) answer.end(JSON.stringify({ kind: "APIResourceList" }));
      else answers(asked, answer);
    },
  );
  api = await startApiserverOnStore({
    proxyClient: await issueCertificate(frontProxy, wanted, now_ms),
    services: { resolve: async () => ({ host: "127.0.0.1", port: extension.port }) },
    requestHeader: {
      clientCa: frontProxy.cert,
      allowedNames: ["front-proxy-client"],
      usernameHeaders: ["X-Remote-User"],
      uidHeaders: ["X-Remote-Uid", "Acme-Uid"],
      groupHeaders: ["X-Remote-Group"],
      extraHeaderPrefixes: ["X-Remote-Extra-"],
    },
  });
  admin = await api.credentials("admin", ["system:masters"]);
  frontProxyClient = await issueCertificate(frontProxy, wanted, now_ms);
  otherProxy = await issueCertificate(frontProxy, { ...wanted, commonName: "other" }, now_ms);
});
afterAll(async () => {
  await api.close();
  await extension.close();
});
beforeEach(() => {
  answers = echo;
});

let frontProxyClient: KeyPair;
let otherProxy: KeyPair;

/** Answers with the request. */
function echo(asked: IncomingMessage, answer: ServerResponse): void {
  const { method, url, headers, rawHeaders } = asked;
  const { authorized } = asked.socket as TLSSocket;
  void text(asked).then((body) =>
    answer.end(JSON.stringify({ method, url, headers, rawHeaders, authorized, body })),
  );
}

interface Echo {
  method: string;
  url: string;
  headers: Record<string, string>;
  rawHeaders: string[];
  authorized: boolean;
  body: string;
}

const send = (path: string, options: AskOptions = {}): Promise<Answer> =>
  ask(api, path, { ...admin, ...options });

async function put(path: string, body: object): Promise<void> {
  const answer = await send(path, { method: "POST", body });
  expect(answer.status, answer.body).toBe(201);
}

type Condition = { status: string; reason: string; message: string };

async function condition(name = NAME): Promise<Condition> {
  const { body } = await send(`${SERVICES}/${name}`);
  const found = JSON.parse(body) as { status?: { conditions?: never[] } };
  return found.status?.conditions?.[0] ?? { status: "", reason: "", message: "" };
}

async function until(reason: string, name = NAME): Promise<string> {
  let found = await condition(name);
  await waitFor(reason, async () => (found = await condition(name)).reason === reason);
  return `${found.status}: ${found.message}`;
}

it("the condition Available follows the Service, its endpoints and the server", async () => {
  const spec = {
    group: GROUP,
    version: "v1alpha1",
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    service: { name: "api", namespace: "default" },
  };
  await put(SERVICES, { metadata: { name: NAME }, spec });
  expect(await until("ServiceNotFound")).toBe(`False: service/api in "default" is not present`);
  expect(await send(FLUNDERS)).toMatchObject({ status: 503, body: "service unavailable\n" });
  const SERVICE = "/api/v1/namespaces/default/services";
  await put(SERVICE, { metadata: { name: "api" }, spec: { ports: [{ port: 80 }] } });
  expect(await until("ServicePortError")).toBe(
    `False: service/api in "default" is not listening on port 443`,
  );
  const patch = (path: string, body: object) =>
    send(path, {
      method: "PATCH",
      body,
      headers: { "content-type": "application/merge-patch+json" },
    });
  await patch(`${SERVICE}/api`, { spec: { ports: [{ port: 443, name: "https" }] } });
  expect(await until("EndpointsNotFound")).toBe(
    `False: cannot find endpointslices for service/api in "default"`,
  );
  const SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  const slice = {
    metadata: { name: "api-1", labels: { "kubernetes.io/service-name": "api" } },
    addressType: "IPv4",
    ports: [{ name: "https", port: 443 }],
    endpoints: [{ addresses: ["192.0.2.7"], conditions: { ready: false } }],
  };
  await put(SLICES, slice);
  expect(await until("MissingEndpoints")).toBe(
    "False: endpointslices for service/api in " +
      `"default" have no addresses with port name "https"`,
  );
  await patch(`${SLICES}/api-1`, {
    endpoints: [{ addresses: ["192.0.2.7"], conditions: { ready: true } }],
  });
  expect(await until("FailedDiscoveryCheck")).toContain(
    "failing or missing response from " +
      `https://api.default.svc:443${VERSION}: Get "https://api.default.svc:443${VERSION}": ` +
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  );
  await patch(`${SERVICES}/${NAME}`, { spec: { caBundle: extension.caBundle } });
  expect(await until("Passed")).toBe("True: all checks passed");
  expect(extension.asked).toContain(`GET ${VERSION}`);
});

it("a request arrives with the user's headers and none that name another", async () => {
  const user = await api.credentials("jane", ["dev", "system:masters"]);
  const headers = {
    "x-remote-user": "root",
    "x-remote-group": "system:masters",
    "x-remote-extra-a": "b",
    "x-remote-uid": "0",
    "content-type": "text/plain",
    X_Remote_User: "root",
    acme_uid: "0",
  };
  const path = `${FLUNDERS}?dryRun=All`;
  const { status, body } = await send(path, { ...user, method: "POST", headers, body: "{}" });
  const seen = JSON.parse(body) as Echo;
  expect(status).toBe(200);
  expect(seen).toMatchObject({ method: "POST", url: path, body: "{}", authorized: true });
  expect(seen.headers).toMatchObject({
    "x-remote-user": "jane",
    "content-type": "text/plain",
    host: "api.default.svc:443",
  });
  const identity = Object.keys(seen.headers).filter((name) => /^(x.remote|acme)/.test(name));
  expect(identity.sort()).toEqual([
    "x-remote-extra-authentication.kubernetes.io%2fcredential-id",
    "x-remote-group",
    "x-remote-user",
  ]);
  const groups = seen.rawHeaders.filter(
    (_, at) => seen.rawHeaders[at - 1]?.toLowerCase() === "x-remote-group",
  );
  expect(groups).toEqual(["dev", "system:masters", "system:authenticated"]);
});

it("a user whose group would be another one behind is refused here", async () => {
  const user = await api.credentials("jane", ["system:masters", "dev "]);
  expect((await send("/api/v1/nodes", user)).status).toBe(200);
  const answer = await send(FLUNDERS, user);
  expect(answer.status).toBe(403);
  expect(answer.body).toContain("cannot be passed on to an aggregated server");
});

it("a user without the right is refused here", async () => {
  const user = await api.credentials("nobody");
  const before = extension.asked.length;
  expect(await send(FLUNDERS, user)).toMatchObject({ status: 403 });
  expect(extension.asked.slice(before).filter((each) => each.includes("flunders"))).toEqual([]);
});

it("a body larger than any object is streamed", async () => {
  const body = "x".repeat(5 * 1024 * 1024);
  const answer = await send(FLUNDERS, { method: "POST", body });
  expect((JSON.parse(answer.body) as Echo).body).toHaveLength(body.length);
});

it("each event of a watch arrives when it is sent", async () => {
  let event: (text: string) => void = () => undefined;
  answers = (_, answer) => {
    answer.writeHead(200, { "content-type": "application/json" });
    event = (line) => answer.write(line);
    event("first\n");
  };
  const got: string[] = [];
  const watch = request(`${api.server}${FLUNDERS}?watch=true`, { ca: api.ca.cert, ...admin });
  watch.on("error", () => undefined);
  watch.on("response", (answer) => {
    answer.setEncoding("utf8").on("data", (chunk: string) => got.push(chunk));
    answer.on("error", () => undefined);
  });
  watch.end();
  await waitFor("the first event", () => got.join("") === "first\n");
  event("second\n");
  await waitFor("the second event", () => got.join("") === "first\nsecond\n");
  watch.destroy();
});

it("controllers read a bounded answer, and others what they want", async () => {
  answers = ({ url = "" }, answer) => {
    const bytes = url.includes("watch=") ? AGGREGATED_WATCH_BYTES_MAX : AGGREGATED_LIST_BYTES_MAX;
    answer.end("x".repeat(bytes + Number(url.split("more=")[1])));
  };
  const name = "system:kube-controller-manager";
  const controller = await api.credentials(name, []);
  const apiGroup = "rbac.authorization.k8s.io";
  await put(`/apis/${apiGroup}/v1/clusterrolebindings`, {
    metadata: { name: "controllers" },
    roleRef: { apiGroup, kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ apiGroup, kind: "User", name }],
  });
  const listed = () => send(`${FLUNDERS}?more=0`, controller);
  await waitFor("the right", async () => (await listed()).status === 200);
  expect((await listed()).body).toHaveLength(AGGREGATED_LIST_BYTES_MAX);
  for (const query of ["more=1", "watch=true&more=1"]) {
    await expect(send(`${FLUNDERS}?${query}`, controller)).rejects.toThrow();
    expect((await send(`${FLUNDERS}?${query}`)).status).toBe(200);
  }
});

it("a connection that is upgraded becomes a tunnel", async () => {
  const { port } = api.apiserver.address;
  const socket = connect({
    host: "127.0.0.1",
    port,
    ca: api.ca.cert,
    ...admin,
    ALPNProtocols: ["http/1.1"],
  });
  let got = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (got += chunk));
  socket.write(
    `GET ${FLUNDERS}/a/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
      "Upgrade: SPDY/3.1\r\nX-Remote-User: root\r\n\r\n",
  );
  await waitFor("the 101", () => got.includes("\r\n\r\n"));
  expect(got).toMatch(/^HTTP\/1.1 101 .*X-Seen: admin\r\n/s);
  socket.write("ping");
  await waitFor("the echo", () => got.endsWith("ping"));
  socket.destroy();
});

it("a redirect is not handed on", async () => {
  answers = (_, answer) => void answer.writeHead(302, { location: "https://192.0.2.1/" }).end();
  const answer = await send(FLUNDERS);
  expect(answer.status).toBe(502);
  expect(answer.headers["location"]).toBeUndefined();
  expect(answer.body).toBe(
    "the backend attempted to redirect this request, which is not permitted\n",
  );
});

it("a connection that breaks before the answer is a 503", async () => {
  answers = (asked) => void asked.socket.destroy();
  const answer = await send(FLUNDERS);
  expect([answer.status, answer.body]).toEqual([503, "error trying to reach service: EOF\n"]);
});

it("requests that hang in the server take a share of its user alone", async () => {
  const held: ServerResponse[] = [];
  answers = (_, answer) => void held.push(answer);
  const each = AGGREGATED_IN_FLIGHT_MAX * SHARE;
  const user = await api.credentials("greedy", ["dev"]);
  await put("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "dev" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "dev" }],
  });
  await waitFor("the right", async () => (await send("/api/v1/nodes", user)).status === 200);
  const hanging = Array.from({ length: each }, () => send(FLUNDERS, user));
  await waitFor("the requests", () => held.length === each);
  expect((await send(FLUNDERS, user)).status).toBe(429);
  expect((await send("/api/v1/nodes", user)).status).toBe(200);
  answers = echo;
  expect((await send(FLUNDERS)).status).toBe(200);
  for (const answer of held) answer.end("{}");
  expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual(hanging.map(() => 200));
});

it("watches of one user leave connections to the server for others", async () => {
  answers = (_, answer) => void answer.write(" ");
  const user = await api.credentials("watcher", ["dev"]);
  const agent = new Agent({ keepAlive: true });
  const opened: ClientRequest[] = [];
  const watch = () =>
    new Promise<number>((resolve, reject) => {
      const sent = request(`${api.server}${FLUNDERS}?watch=true`, {
        ca: api.ca.cert,
        agent,
        ...user,
      });
      opened.push(
        sent.on("error", reject).on("response", (answer) => {
          answer.on("error", () => undefined);
          resolve(answer.statusCode ?? 0);
        }),
      );
      sent.end();
    });
  const each = AGGREGATED_LASTING_MAX * SHARE;
  for (let i = 0; i < each; i++) expect(await watch()).toBe(200);
  expect(await watch()).toBe(429);
  answers = echo;
  expect((await send(`${FLUNDERS}?watch=true`)).status).toBe(200);
  for (const each of opened) each.on("error", () => undefined).destroy();
  agent.destroy();
});

it("the headers of a front proxy name the user, and those of no other client", async () => {
  const whoami = async (options: AskOptions) => {
    const { status, body } = await send("/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      method: "POST",
      body: {},
      ...options,
    });
    return status === 201
      ? (JSON.parse(body) as { status: { userInfo: object } }).status.userInfo
      : status;
  };
  const headers = {
    "X-Remote-User": "jane",
    "X-Remote-Group": "dev",
    "X-Remote-Uid": "7",
    "X-Remote-Extra-Acme.com%2fProject": "p",
  };
  expect(await whoami({ ...frontProxyClient, headers })).toEqual({
    username: "jane",
    uid: "7",
    groups: ["dev", "system:authenticated"],
    extra: { "acme.com/project": ["p"] },
  });
  expect(await whoami({ headers })).toMatchObject({ username: "admin" });
  expect(await whoami({ ...otherProxy, headers })).toBe(401);
  expect(await whoami(frontProxyClient)).toBe(401);
});

it("aggregated servers are told how to know this one", async () => {
  const path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
  const { data } = JSON.parse((await send(path)).body) as { data: Record<string, string> };
  expect(data).toMatchObject({
    "requestheader-allowed-names": `["front-proxy-client"]`,
    "requestheader-username-headers": `["X-Remote-User"]`,
    "requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
  });
  expect(data["requestheader-client-ca-file"]).toContain("BEGIN CERTIFICATE");
});

it("an APIService of our groups that was led elsewhere is local after a start", async () => {
  const merge = (body: object) =>
    send(`${SERVICES}/v1.apps`, {
      method: "PATCH",
      body,
      headers: { "content-type": "application/merge-patch+json" },
    });
  const service = { name: "gone", namespace: "default" };
  await merge({ spec: { service, insecureSkipTLSVerify: true } });
  await until("ServiceNotFound", "v1.apps");
  expect((await send("/apis/apps/v1/deployments")).status).toBe(503);
  const own = "v1.apiregistration.k8s.io";
  const spec = {
    group: "apiregistration.k8s.io",
    version: "v1",
    service,
    groupPriorityMinimum: 1,
    versionPriority: 1,
  };
  await put(SERVICES, { metadata: { name: own }, spec });
  expect((await send(SERVICES)).status).toBe(200);
  await api.restart();
  await until("Local", "v1.apps");
  expect((await send("/apis/apps/v1/deployments")).status).toBe(200);
});
