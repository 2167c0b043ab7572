import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import { REQUEST_TIMEOUT_MS } from "@raft2kube/client-kube/limits.ts";
import { PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import { startControllers } from "@raft2kube/controllers/main.ts";
import { startScheduler } from "@raft2kube/scheduler/main.ts";
import { DEFAULT_PROFILE } from "@raft2kube/scheduler/profiles.ts";
import { type Clock, ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane(["n1"], { controllers: ["*", "-replicaset"] });
const { eventually } = plane;
const namespace = "default";
const schedulerName = "elected";
const containers = [{ name: "c", image: "web:1" }];

/** A way to the API server on which some requests get no answer; `held` has their responses. */
async function silentFor(isHeld: (method: string, path: string) => boolean) {
  const masters = await plane.connection("admin", ["system:masters"]);
  const transport = httpTransport(masters, plane.clock);
  const held: ServerResponse[] = [];
  const forward = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = "", url: path = "" } = request;
    if (isHeld(method, path)) return void held.push(response);
    const { host: _host, connection: _connection, authorization: _user, ...rest } = request.headers;
    const headers = rest as Record<string, string>;
    const end = new AbortController();
    response.once("close", () => end.abort());
    const body = method === "GET" ? undefined : request;
    const sent = { method, path, headers, body, signal: end.signal, timeout_ms: 60_000 };
    const answer = await transport.send(sent);
    response.writeHead(answer.status, { "content-type": String(answer.headers["content-type"]) });
    response.flushHeaders();
    pipeline(answer.body, response, () => undefined);
  };
  const server = createServer((request, response) => {
    forward(request, response).catch(() => response.destroy());
  });
  await listening(server);
  onTestFinished(() => {
    transport.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { held, connection: { server: `http://127.0.0.1:${port}` } };
}

type Leader = (connection: KubeConnection, clock: Clock) => Promise<{ close(): Promise<void> }>;

test.each<[string, Leader, RegExp]>([
  [
    "controllers create",
    (connection, clock) =>
      startControllers({
        connection,
        clock,
        clusterCidr: "10.244.0.0/16",
        rootCa: "",
        controllers: ["replicaset"],
      }),
    /\/pods$/,
  ],
  [
    "a scheduler binds",
    (connection, clock) =>
      startScheduler({ connection, clock, profiles: [{ ...DEFAULT_PROFILE, schedulerName }] }),
    /\/binding$/,
  ],
])("%s nothing once the lease is lost: requests under way end", async (_who, start, path) => {
  let isCut = false;
  const { held, connection } = await silentFor(
    (method, url) => (method === "POST" && path.test(url)) || (isCut && url.includes("/leases/")),
  );
  const writes = () => held.filter(({ req }) => path.test(req.url ?? ""));
  const clock = new ManualClock(plane.clock.now());
  const leader = await start(connection, clock);
  const eventuallyLater = (what: string, is: () => boolean) =>
    eventually(what, async () => {
      clock.advance(100);
      return is();
    });
  onTestFinished(async () => {
    let isClosed = false;
    void leader.close().then(() => (isClosed = true));
    await eventuallyLater("the leader's end", () => isClosed);
  });
  const labels = { app: "some" };
  await plane.admin
    .resource(PODS)
    .create({ metadata: { namespace, generateName: "pod-" }, spec: { containers, schedulerName } });
  await plane.admin
    .resource(REPLICA_SETS)
    .create({
      metadata: { namespace, generateName: "set-" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    });
  await eventuallyLater("a write under way", () => writes().length > 0);
  isCut = true;
  const cut_ms = clock.monotonic();
  await eventuallyLater("the end of writes under way", () =>
    writes().every(({ closed }) => closed),
  );
  // The clock is the test's: the requests did not end at their own timeout.
  expect(clock.monotonic() - cut_ms).toBeLessThan(REQUEST_TIMEOUT_MS / 2);
});
