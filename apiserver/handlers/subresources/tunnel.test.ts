import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { streamTurns } from "@raft2kube/streaming/paced.ts";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ask } from "../../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { isProbed } from "../../../testing/tcp-state.ts";
import { waitFor } from "../../../testing/wait.ts";

const NS = "/api/v1/namespaces/default";

let api: TestApiserver;
let admin: { cert: string; key: string };
let node: Server;
/** The requests to the node, and whether they had the apiserver's certificate. */
let asked: string[] = [];
let agrees = true;
/** Whether the node redirects each request. */
let redirects = false;
/** The status by which the node refuses each request. */
let refuses: number | undefined;
/** Whether the node takes each request for an upgrade and never answers it. */
let hangs = false;
/** The node's last bytes, and how it ends the connection. */
let breaksOff: { words: string; leave: "end" | "destroy" } | undefined;
/** The protocols of WebSocket that it was offered. */
const protocols: string[] = [];

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  admin = await api.credentials("admin", ["system:masters"]);
  node = await startNode();
  const { port: Port } = node.address() as AddressInfo;
  await send(`${NS}/serviceaccounts`, { metadata: { name: "default" } });
  await send("/api/v1/nodes", { metadata: { name: "n1" } });
  await moveKubelet(Port);
  const containers = [{ name: "c", image: "i" }];
  await send(`${NS}/pods`, { metadata: { name: "p" }, spec: { nodeName: "n1", containers } });
});
afterAll(async () => {
  await api.close();
  node.close();
});

async function send(path: string, body: object, method = "POST"): Promise<void> {
  const answer = await ask(api, path, { method, body, ...admin });
  expect(answer.status, answer.body).toBeLessThan(300);
}

/** Says in the node's object where its kubelet answers. */
async function moveKubelet(Port: number): Promise<void> {
  const status = {
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port } },
  };
  await send("/api/v1/nodes/n1/status", { metadata: { name: "n1" }, status }, "PUT");
}

/** A node's HTTPS server that echoes what comes through an upgrade, or refuses it. */
async function startNode(ca: KeyPair = api.ca): Promise<Server> {
  const request = {
    commonName: "system:node:n1",
    ipAddresses: ["127.0.0.1"],
    usages: ["server"] as const,
    days: 1,
  };
  const { cert, key } = await issueCertificate(ca, request, Date.now());
  const options = { cert, key, ca: api.ca.cert, requestCert: true };
  const server = createServer(options, (incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    if (breaksOff) {
      response.socket!.end(breaksOff.words);
      return;
    }
    if (redirects) {
      response.writeHead(302, { location: `${api.server}/api/v1/secrets` }).end("moved");
      return;
    }
    if (refuses) response.writeHead(refuses).end("too many\n");
    else response.end("line 1\nline 2\n");
  });
  server.on("upgrade", (incoming, socket) => {
    socket.on("error", () => socket.destroy());
    if (breaksOff) {
      const { words, leave } = breaksOff;
      socket.write(words, () => void socket[leave]());
      return;
    }
    const known = (socket as TLSSocket).authorized ? "authorized" : "anonymous";
    asked.push(`${incoming.method} ${incoming.url} ${known}`);
    const protocol = incoming.headers["sec-websocket-protocol"];
    if (protocol !== undefined) protocols.push(protocol);
    if (hangs) {
      socket.resume().on("end", () => socket.end());
    } else if (redirects) {
      socket.end(
        `HTTP/1.1 302 Found\r\nLocation: ${api.server}/api/v1/secrets\r\n` +
          "Content-Length: 5\r\n\r\nmoved",
      );
    } else if (agrees) {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
      );
      socket.pipe(socket);
    } else socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const UPGRADE = "Host: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n";

/** A raw connection to the apiserver, and all that came back on it. */
function open(identity: { cert?: string; key?: string } = admin): {
  socket: TLSSocket;
  text: () => string;
  ended: Promise<void>;
} {
  const { port } = api.apiserver.address;
  const socket = connect({
    host: "127.0.0.1",
    port,
    ca: api.ca.cert,
    ...identity,
    ALPNProtocols: ["http/1.1"],
  });
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("error", () => undefined);
  return { socket, text: () => text, ended };
}

it("exec becomes a tunnel to the pod's kubelet, with the apiserver's own credentials", async () => {
  asked = [];
  agrees = true;
  const { socket, text, ended } = open();
  const turns = vi.spyOn(streamTurns, "receive");
  socket.write(
    `POST ${NS}/pods/p/exec?command=sh&command=-c&stdin=true&stdout=true HTTP/1.1\r\n${UPGRADE}`,
  );
  await waitFor("the 101", () => text().includes("101 Switching Protocols"));
  turns.mockClear();
  socket.write("through");
  await waitFor("the echo", () => text().endsWith("through"));
  // The kubelet's bytes take turns with those of other streams.
  expect(turns).toHaveBeenCalled();
  turns.mockRestore();
  const path = "/exec/default/p/c?input=1&output=1&command=sh&command=-c";
  expect(asked).toEqual([`POST ${path} authorized`]);
  socket.end();
  await ended;
});

it("a client that leaves before the kubelet answers ends the connection to it", async () => {
  asked = [];
  hangs = true;
  const { socket } = open();
  const taken = once(node, "upgrade") as Promise<[unknown, TLSSocket]>;
  socket.write(`POST ${NS}/pods/p/exec?command=sh&stdout=true HTTP/1.1\r\n${UPGRADE}`);
  const [, backend] = await taken;
  const closed = once(backend, "close");
  socket.destroy();
  await closed;
  hangs = false;
});

it("switches are read as Python's clients write them too: True, False", async () => {
  asked = [];
  agrees = false;
  const { socket, ended } = open();
  const switches = "stdin=False&stdout=True&stderr=&tty=0";
  socket.write(`POST ${NS}/pods/p/exec?command=sh&${switches} HTTP/1.1\r\n${UPGRADE}`);
  await ended;
  await ask(api, `${NS}/pods/p/log?follow=False&timestamps=True`, admin);
  expect(asked).toEqual([
    "POST /exec/default/p/c?output=1&error=1&command=sh authorized",
    "GET /containerLogs/default/p/c?timestamps=true",
  ]);
});

it("after a refused upgrade nothing more reaches the kubelet (CVE-2018-1002105)", async () => {
  asked = [];
  agrees = false;
  const { socket, text, ended } = open();
  socket.write(
    `POST ${NS}/pods/p/exec?command=sh HTTP/1.1\r\n${UPGRADE}` +
      "GET /runningpods/ HTTP/1.1\r\nHost: x\r\n\r\n",
  );
  await ended;
  expect(text()).toMatch(/^HTTP\/1\.1 403 /);
  expect(asked).toEqual(["POST /exec/default/p/c?command=sh authorized"]);
});

it("a node's redirect is not followed (CVE-2020-8559)", async () => {
  asked = [];
  redirects = true;
  try {
    const log = await ask(api, `${NS}/pods/p/log`, admin);
    expect([log.status, log.headers["location"]]).toEqual([503, undefined]);
    expect(log.body).toContain("which is not followed");
    const { socket, text, ended } = open();
    socket.write(`POST ${NS}/pods/p/exec?command=sh HTTP/1.1\r\n${UPGRADE}`);
    await ended;
    expect(text()).toMatch(/^HTTP\/1\.1 502 /);
    expect(text()).not.toMatch(/^location:/im);
    // One request each, and none of them anywhere else.
    expect(asked).toHaveLength(2);
  } finally {
    redirects = false;
  }
});

it.each([
  ["HTTP/1.1 999 Odd\r\nContent-Length: 0", 503],
  ["HTTP/1.1 204 No Content\r\nContent-Length: 1", 204],
  ["HTTP/1.1 205 Reset\r\nContent-Length: 1", 205],
  ["HTTP/1.1 200 OK\r\nTE: gzip\r\nContent-Length: 0", 200],
])(
  "a kubelet's answer that HTTP/2 has no place for has a status there: %j",
  async (head, status) => {
    breaksOff = { words: `${head}\r\n\r\n${status === 205 ? "x" : ""}`, leave: "end" };
    const session = connectHttp2(api.server, { ca: api.ca.cert, ...admin });
    try {
      const stream = session.request({ ":path": "/api/v1/nodes/n1/proxy/odd" });
      const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders];
      expect(headers[":status"]).toBe(status);
      await once(stream.resume(), "close");
      expect(stream.rstCode).toBe(0);
    } finally {
      session.destroy();
      breaksOff = undefined;
    }
  },
);

it("a kubelet that breaks off at any point ends the tunnel alone", async () => {
  const fatal: unknown[] = [];
  const note = (thrown: unknown) => void fatal.push(thrown);
  process.on("uncaughtException", note).on("unhandledRejection", note);
  const switching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + "Upgrade: SPDY/3.1\r\n\r\n";
  const refusal = "HTTP/1.1 500 Broken\r\nContent-Length: 100\r\n\r\n";
  for (const words of ["", "HTTP/1.1 101", switching, `${switching}x`, refusal, `${refusal}x`]) {
    for (const leave of ["end", "destroy"] as const) {
      breaksOff = { words, leave };
      const { socket, text, ended } = open();
      socket.write(`POST ${NS}/pods/p/exec?command=sh HTTP/1.1\r\n${UPGRADE}`);
      await waitFor("an answer", () => text() !== "");
      expect(text()).toMatch(words.includes("101 S") ? /^HTTP\/1\.1 101 / : /^HTTP\/1\.1 50[03] /);
      socket.destroy();
      await ended;
    }
  }
  breaksOff = undefined;
  expect((await ask(api, "/livez")).body).toBe("ok");
  process.off("uncaughtException", note).off("unhandledRejection", note);
  expect(fatal).toEqual([]);
});

it("a kubelet that sends nothing is asked by the kernel whether it is still there", async () => {
  const connected = once(node, "secureConnection") as Promise<[TLSSocket]>;
  const { socket, text, ended } = open();
  socket.write(`POST ${NS}/pods/p/exec?command=sh HTTP/1.1\r\n${UPGRADE}`);
  await waitFor("an answer", () => text() !== "");
  const [{ localPort, remotePort }] = await connected;
  await waitFor("probes", () => isProbed(remotePort!, localPort!));
  socket.destroy();
  await ended;
});

it("a node's proxy upgrades for the right to create alone", async () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const group = "rbac.authorization.k8s.io";
  const rules = [{ apiGroups: [""], resources: ["nodes/proxy"], verbs: ["get"] }];
  await send(`${rbac}/clusterroles`, { metadata: { name: "looker" }, rules });
  await send(`${rbac}/clusterrolebindings`, {
    metadata: { name: "looker" },
    roleRef: { apiGroup: group, kind: "ClusterRole", name: "looker" },
    subjects: [{ kind: "User", apiGroup: group, name: "looker" }],
  });
  asked = [];
  const { socket, text, ended } = open(await api.credentials("looker"));
  const path = "/api/v1/nodes/n1/proxy/exec/default/p/c?command=id&output=1";
  socket.write(`GET ${path} HTTP/1.1\r\n${UPGRADE}`);
  await ended;
  expect(text()).toMatch(/^HTTP\/1\.1 403 /);
  expect(text()).toContain("cannot create resource");
  expect(asked).toEqual([]);
});

it("logs are streamed from the kubelet", async () => {
  asked = [];
  const answer = await ask(api, `${NS}/pods/p/log?tailLines=2`, admin);
  expect([answer.status, answer.body]).toEqual([200, "line 1\nline 2\n"]);
  expect(asked).toEqual(["GET /containerLogs/default/p/c?tailLines=2"]);
});

it("logs of a pod whose node is missing name the request's resource, as upstream", async () => {
  const containers = [{ name: "c", image: "i" }];
  const lost = { metadata: { name: "lost" }, spec: { nodeName: "gone", containers } };
  await send(`${NS}/pods`, lost);
  const { status, body } = await ask(api, `${NS}/pods/lost/log`, admin);
  expect([status, JSON.parse(body)]).toMatchObject([
    404,
    { message: 'pods "gone" not found', details: { name: "gone", kind: "pods" } },
  ]);
});

it.each(["", "null"])("logs since the time %j are all logs", async (since) => {
  asked = [];
  const answer = await ask(api, `${NS}/pods/p/log?sinceTime=${since}`, admin);
  expect([answer.status, answer.body]).toEqual([200, "line 1\nline 2\n"]);
  expect(asked).toEqual(["GET /containerLogs/default/p/c?"]);
});

it.each([undefined, "binary.k8s.io", "base64.binary.k8s.io"])(
  "logs are streamed over WebSocket, protocol: %s",
  async (protocol) => {
    asked = [];
    const url = `${api.server.replace("https", "wss")}${NS}/pods/p/log?tailLines=2`;
    const socket = new WebSocket(url, protocol ? [protocol] : [], { ca: api.ca.cert, ...admin });
    const messages: { text: string; isBinary: boolean }[] = [];
    socket.on("message", (message: Buffer, isBinary) => {
      messages.push({ text: message.toString(), isBinary });
    });
    await once(socket, "close");
    expect(socket.protocol).toBe(protocol ?? "");
    const isText = protocol === "base64.binary.k8s.io";
    expect(messages[0]).toEqual({ text: "", isBinary: !isText });
    const rest = messages.slice(1).map(({ text }) => (isText ? atob(text) : text));
    expect(rest.join("")).toBe("line 1\nline 2\n");
    expect(asked).toEqual(["GET /containerLogs/default/p/c?tailLines=2"]);
  },
);

it.each([
  [429, "TooManyRequests"],
  [500, "InternalError"],
])("a kubelet's refusal by %i is the client's, with the reason %s", async (status, reason) => {
  refuses = status;
  try {
    const log = await ask(api, `${NS}/pods/p/log`, admin);
    expect(log.status).toBe(status);
    expect(JSON.parse(log.body)).toMatchObject({ message: "too many", reason });
  } finally {
    refuses = undefined;
  }
});

it("logs over WebSocket are refused as over HTTP, before the upgrade", async () => {
  const url = `${api.server.replace("https", "wss")}${NS}/pods/p/log`;
  const refused = async (query: string, protocol: string[], identity: object) => {
    const socket = new WebSocket(`${url}${query}`, protocol, { ca: api.ca.cert, ...identity });
    return String((await once(socket, "error"))[0]);
  };
  expect(await refused("?tailLines=-1", [], admin)).toContain("422");
  expect(await refused("?sinceTime=yesterday", [], admin)).toContain("400");
  expect(await refused("", ["v9"], admin)).toContain("403");
  expect(await refused("", [], await api.credentials("nobody"))).toContain("403");
});

it("a node's unverified certificate is accepted for logs if the client requests it", async () => {
  asked = [];
  const ca = await createCa({ commonName: "stranger", days: 1, now_ms: Date.now() });
  const stranger = await startNode(ca);
  const { port: Port } = stranger.address() as AddressInfo;
  await moveKubelet(Port);
  try {
    const log = `${NS}/pods/p/log`;
    const refused = await ask(api, log, admin);
    expect([refused.status, asked]).toEqual([503, []]);
    const insecure = await ask(api, `${log}?insecureSkipTLSVerifyBackend=true`, admin);
    expect([insecure.status, insecure.body]).toEqual([200, "line 1\nline 2\n"]);
    expect(asked).toEqual(["GET /containerLogs/default/p/c?"]);
    // That is for this request alone.
    expect((await ask(api, log, admin)).status).toBe(503);
  } finally {
    await moveKubelet((node.address() as AddressInfo).port);
    stranger.close();
  }
});

it("a browser's token opens exec, and stays here", async () => {
  asked = [];
  agrees = true;
  const account = { metadata: { name: "browser" } };
  await ask(api, `${NS}/serviceaccounts`, { method: "POST", body: account, ...admin });
  const rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
  const body = {
    metadata: { name: "browser" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", namespace: "default", name: "browser" }],
  };
  await ask(api, rbac, { method: "POST", body, ...admin });
  const path = `${NS}/serviceaccounts/browser/token`;
  const made = await ask(api, path, { method: "POST", body: { spec: {} }, ...admin });
  const { token } = (JSON.parse(made.body) as { status: { token: string } }).status;
  const encoded = Buffer.from(token).toString("base64url");
  const hidden = `base64url.bearer.authorization.k8s.io.${encoded}`;
  for (const part of ["exec?command=sh", "attach?stdout=1", "portforward?ports=80"]) {
    const { socket, text } = open({});
    socket.write(
      `GET ${NS}/pods/p/${part} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
        `Sec-WebSocket-Protocol: ${hidden}, v5.channel.k8s.io\r\n\r\n`,
    );
    await waitFor("the 101", () => text().includes("101 Switching"));
    socket.destroy();
  }
  expect(asked).toHaveLength(3);
  expect(protocols).toEqual(["v5.channel.k8s.io", "v5.channel.k8s.io", "v5.channel.k8s.io"]);
});

it("exec without an upgrade, a container or permission is refused", async () => {
  asked = [];
  const exec = `${NS}/pods/p/exec?command=sh`;
  expect((await ask(api, exec, { method: "POST", ...admin })).status).toBe(400);
  expect((await ask(api, exec, { method: "POST" })).status).toBe(403);
  const { socket, text, ended } = open();
  socket.write(`POST ${exec}&container=other HTTP/1.1\r\n${UPGRADE}`);
  await ended;
  expect(text()).toContain("container other is not valid for pod p");
  expect(asked).toEqual([]);
});

it("a pod's own address must not lead into the control plane's loopback", async () => {
  const status = { podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }] };
  await ask(api, `${NS}/pods/p/status`, {
    method: "PATCH",
    body: { status },
    ...admin,
    headers: { "content-type": "application/merge-patch+json" },
  });
  const answer = await ask(api, `${NS}/pods/p/proxy/`, admin);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain("address not allowed");
});

it("a WebSocket's GET needs the right to create, not only to read", async () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const group = "rbac.authorization.k8s.io";
  const rules = [{ apiGroups: [""], resources: ["pods/exec"], verbs: ["get"] }];
  await send(`${rbac}/clusterroles`, { metadata: { name: "reader" }, rules });
  await send(`${rbac}/clusterrolebindings`, {
    metadata: { name: "reader" },
    roleRef: { apiGroup: group, kind: "ClusterRole", name: "reader" },
    subjects: [{ kind: "User", apiGroup: group, name: "reader" }],
  });
  const reader = await api.credentials("reader");
  const answer = await ask(api, `${NS}/pods/p/exec?command=sh`, reader);
  expect(answer.status).toBe(403);
  expect(answer.body).toContain(`cannot create resource`);
});
