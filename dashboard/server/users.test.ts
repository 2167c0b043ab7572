import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { listening } from "../../testing/listening.ts";
import { waitFor } from "../../testing/wait.ts";
import { CONNECTIONS_MAX, SIGN_INS_MAX, UNDER_WAY_MAX } from "../limits.ts";
import { SESSION_HEADER } from "./gate.ts";
import { serveDashboard } from "./server.ts";
import { tokenAccess } from "./token-access.ts";
import { upstreamTo } from "./upstream.ts";

const CLOCK = systemClock();
/** Tokens of this API server are names: of a user, or NAMESPACE/NAME of a service account. */
const A = "a";
const B = "b";

const DETAILS = { name: "x".repeat(100_000) };
const REFUSAL = { kind: "Status", details: DETAILS, message: `no ${"é".repeat(100)}` };

let seen: string[] = [];
const held = new Set<ServerResponse>();
const usersOf = new Map<Socket, Set<string>>();
let dashboard: Awaited<ReturnType<typeof serveDashboard>>;
let base = "";

/** Answers as servers do that read no body which they do not need, and keeps its connections. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const user = (request.headers.authorization ?? "").replace("Bearer ", "");
  const { method, url = "", socket } = request;
  usersOf.set(socket, (usersOf.get(socket) ?? new Set()).add(user));
  seen.push(`${user} ${method} ${url}`);
  const isLogin = url.endsWith("/selfsubjectreviews");
  if (url === "/held" || (isLogin && user === "slow")) {
    held.add(response);
    response.once("close", () => held.delete(response));
    return;
  }
  if (url === "/strange") return void socket.write("HTTP/1.1 099 X\r\nContent-Length: 9\r\n\r\n");
  if (url === "/refused") return void response.writeHead(403).end(JSON.stringify(REFUSAL));
  if (!isLogin) return void response.end(`${user} ${method} ${url}`);
  const [namespace, name] = user.split("/");
  const groups = name ? [`system:serviceaccounts:${namespace}`] : [];
  response.end(JSON.stringify({ status: { userInfo: { username: user, groups } } }));
}

const api = createServer(answer);
beforeAll(async () => {
  const server = `http://127.0.0.1:${await listening(api)}`;
  const access = tokenAccess(upstreamTo({ server }, CLOCK), [], CLOCK);
  dashboard = await serveDashboard(access, new Map());
  base = `http://127.0.0.1:${dashboard.port}`;
});
afterEach(() => {
  seen = [];
});
afterAll(async () => {
  await dashboard.close();
  api.closeAllConnections();
  await new Promise((resolve) => api.close(resolve));
});

it("an address that holds all connections keeps no other out", async () => {
  const held: Socket[] = [];
  const hold = async () => {
    const socket = connect({ port: dashboard.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    held.push(socket.on("error", () => socket.destroy()).resume());
    await once(socket, "connect");
  };
  try {
    // In parts: the kernel keeps some hundreds that are not accepted yet.
    for (let n = 0; n < CONNECTIONS_MAX; n += 128) {
      await Promise.all(Array.from({ length: 128 }, hold));
    }
    expect((await fetch(base)).status).toBe(200);
    // One more at each look: a busy kernel may have dropped some that it had confirmed.
    const isOneClosed = async () => {
      await hold();
      return held.some(({ closed }) => closed);
    };
    await waitFor("the oldest to be closed", isOneClosed);
  } finally {
    for (const socket of held) socket.destroy();
  }
});

const login = (token: string) => fetch(`${base}/login`, { method: "POST", body: token });
const secrets = new Map<string, string>();

async function secretOf(token: string): Promise<string> {
  const secret = secrets.get(token) ?? (await (await login(token)).text());
  secrets.set(token, secret);
  return secret;
}

async function ask(token: string, path: string, more: RequestInit = {}): Promise<Response> {
  return await fetch(`${base}/kube${path}`, {
    ...more,
    headers: { [SESSION_HEADER]: await secretOf(token) },
  });
}

/** Sends bytes as a user; resolves with the status of the first answer. */
async function sendRaw(user: string, line: string, rest: string): Promise<string> {
  const socket = connect(dashboard.port, "127.0.0.1");
  const secret = await secretOf(user);
  socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\n${SESSION_HEADER}: ${secret}\r\n${rest}`);
  let text = "";
  socket.on("data", (part: Buffer) => (text += part.toString()));
  await waitFor("an answer", () => text.includes("\r\n\r\n"));
  socket.destroy();
  return text.split(" ")[1]!;
}

it("the clocks of nodes and pods, which date their answers, are not taken for the server's", async () => {
  const dateOf = async (path: string) => (await ask(A, path)).headers.get("x-server-date");
  expect(await dateOf("/api/v1/nodes/n")).toMatch(/GMT$/);
  expect(await dateOf("/api/v1/nodes/n/proxy/debug/traces?name=a")).toBeNull();
  expect(await dateOf("/api/v1/namespaces/n/pods/a/log?container=c")).toBeNull();
});

it("a body that a user announces and does not send takes nothing of the next user", async () => {
  const code = await sendRaw(A, "GET /kube/version", "Content-Length: 90\r\n\r\n");
  expect(await (await ask(B, "/mine")).text()).toBe("b GET /mine");
  expect(code).toBe("400");
  expect(seen).not.toContain("a GET /version");
});

it("a body of a method that rarely has one is no request of its own", async () => {
  const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const code = await sendRaw(A, "DELETE /kube/pod", `Transfer-Encoding: chunked\r\n\r\n${chunk}`);
  expect(code).toBe("200");
  expect(await (await ask(B, "/mine")).text()).toBe("b GET /mine");
  expect(seen.join()).not.toContain("smuggled");
});

it("no connection to the API server has requests of two users", async () => {
  for (const user of [A, B, A]) expect((await ask(user, "/mine")).status).toBe(200);
  expect(usersOf.size).toBeGreaterThan(2);
  for (const users of usersOf.values()) expect(users.size).toBe(1);
});

it("a user, or a namespace's service accounts, leave requests to the others", async () => {
  const gone = new AbortController();
  for (let n = 0; n < UNDER_WAY_MAX.each; n++) await secretOf(`ns/${n}`);
  const waiting = Array.from({ length: UNDER_WAY_MAX.each }, (_, n) =>
    ask(`ns/${n}`, "/held", { signal: gone.signal }).catch(() => undefined),
  );
  await waitFor("all", () => held.size === UNDER_WAY_MAX.each);
  const refused = await ask("ns/more", "/mine");
  expect(refused.status).toBe(429);
  expect(await refused.text()).toContain("end some");
  expect((await ask("other/x", "/mine")).status).toBe(200);
  expect((await ask(B, "/mine")).status).toBe(200);
  gone.abort();
  await Promise.all(waiting);
  await waitFor("the end at the API server", () => held.size === 0);
  expect((await ask("ns/more", "/mine")).status).toBe(200);
});

it("requests whose clients are gone before they are judged take no share", async () => {
  const line = `GET /kube/held HTTP/1.1\r\nHost: localhost\r\n${SESSION_HEADER}: `;
  const asked = `${line}${await secretOf(A)}\r\n\r\n`;
  const reset = (requests: number) =>
    new Promise<void>((resolve) => {
      const socket = connect(dashboard.port, "127.0.0.1", () => {
        socket.write(asked.repeat(requests), () => socket.resetAndDestroy());
      });
      socket.once("close", () => resolve());
    });
  for (let n = 0; n < UNDER_WAY_MAX.each + 12; n++) await reset(1);
  await reset(UNDER_WAY_MAX.each + 12);
  await expect.poll(async () => (await ask(A, "/mine")).status).toBe(200);
  await waitFor("the end at the API server", () => held.size === 0);
});

it("an address asks about few tokens at a time", async () => {
  const waiting = Array.from({ length: SIGN_INS_MAX.each }, () => login("slow"));
  await waitFor("all", () => held.size === SIGN_INS_MAX.each);
  expect((await login(B)).status).toBe(429);
  for (const response of held) response.writeHead(401).end("{}");
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(waiting.map(() => 401));
  expect((await login(B)).status).toBe(200);
});

it("an answer that cannot be passed on leaves no connection", async () => {
  expect((await ask(A, "/strange")).status).toBe(502);
  const open = () => new Promise((resolve) => api.getConnections((_, count) => resolve(count)));
  await expect.poll(open).toBe(0);
});

it("the refusal of a stream is its message, however long, as far as a close has room", async () => {
  const url = `${base.replace("http", "ws")}/stream/refused`;
  const protocols = ["r2k.stream", `r2k.session.${await secretOf(A)}`];
  const [code, reason] = await once(new WebSocket(url, protocols, { origin: base }), "close");
  expect([code, String(reason)]).toEqual([4_403, `no ${"é".repeat(60)}`]);
});

it("a secret that was changed, or names another algorithm, is no session", async () => {
  const secret = await secretOf(A);
  const [, ...rest] = secret.split(".");
  const head = (header: object) => Buffer.from(JSON.stringify(header)).toString("base64url");
  const named = (alg: string) => [head({ alg, enc: "A256GCM", p2c: 1e9, p2s: "a" }), ...rest];
  // The last characters may be any: one of them stands for two bits.
  const changed = secret.replace(/[.](.)(?=[^.]+$)/, (_, first) => (first === "A" ? ".B" : ".A"));
  const forged = ["1", changed, secret.replace(/[.][^.]+$/, ".")];
  for (const alg of ["A256KW", "RSA-OAEP", "PBES2-HS256+A128KW"]) forged.push(named(alg).join("."));
  for (const given of forged) {
    const { status } = await fetch(`${base}/kube/mine`, { headers: { [SESSION_HEADER]: given } });
    expect(status, given).toBe(401);
  }
});

it("its end ends upgrades that are not judged yet", async () => {
  const judging = Promise.withResolvers<void>();
  const sessionOf = () => {
    judging.resolve();
    return new Promise<undefined>(() => undefined);
  };
  const access = tokenAccess(upstreamTo({ server: base }, CLOCK), [], CLOCK);
  const own = await serveDashboard({ ...access, sessionOf }, new Map());
  const socket = connect(own.port, "127.0.0.1").resume();
  socket.write(
    "GET /stream/version HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n" +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: r2k.session.x\r\n\r\n",
  );
  await judging.promise;
  await Promise.all([once(socket, "close"), own.close()]);
});
