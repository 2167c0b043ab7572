import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { isIP } from "node:net";
import { limitConnections } from "@raft2kube/client-kube/delegated/connection-limits.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { machineUpstreams, type Upstream } from "@raft2kube/dns/forward/upstreams.ts";
import { startDns } from "@raft2kube/dns/main.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { Registry } from "@raft2kube/observe/metrics.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { Command } from "commander";
import type { Closable } from "../process/started-parts.ts";
import { CommandError } from "../terminal.ts";
import { type Corefile, parseCorefile } from "./corefile.ts";
import { podConnection } from "./pod-connection.ts";
import { runPart } from "./run-part.ts";

/** How often the Corefile is compared, as coredns' plugin reload. */
const RELOAD_MS = 30_000;

/** `r2k coredns -conf FILE`: cluster DNS in a pod, with coredns' command line. */
export function command(): Command {
  return new Command("coredns")
    .description("Run the cluster's DNS server in a pod (coredns -conf FILE).")
    .argument("[words...]")
    .allowUnknownOption()
    .action((words: string[]) => run(words));
}

async function run([flag, file, ...rest]: string[]): Promise<void> {
  if (flag !== "-conf" || file === undefined || rest.length > 0) {
    throw new CommandError("FLAG", "coredns: the flags are not -conf FILE");
  }
  const text = await readFile(file, "utf8");
  const clock = systemClock();
  await runPart("coredns", () => start(parseCorefile(text), { file, text }, clock));
}

async function start(
  corefile: Corefile,
  source: { file: string; text: string },
  clock: Clock,
): Promise<Closable> {
  const connection = await podConnection("r2k dns --kubeconfig runs without one");
  const client = new KubeClient({ ...connection, clock, userAgent: "coredns" });
  const { clusterDomain, port } = corefile;
  const upstreams = () => upstreamsOf(corefile.forward);
  const choices = given({ upstreams, ttl_s: corefile.ttl_s });
  const address = "0.0.0.0";
  const metrics = new Registry();
  const dns = await startDns({ client, address, port, clusterDomain, metrics, clock, ...choices });
  let isReady = false;
  void dns.ready.then(() => (isReady = true));
  const pages = [
    servePage(corefile.healthPort, "/health", async () => ({ status: 200, body: "OK" })),
    servePage(corefile.readyPort, "/ready", async () => {
      return isReady ? { status: 200, body: "OK" } : { status: 503, body: "kubernetes" };
    }),
    servePage(corefile.metricsPort, "/metrics", async () => {
      return { status: 200, ...(await exposition(metrics)) };
    }),
  ];
  const reload = startReload(source, clock);
  return {
    async close() {
      reload.close();
      await delay(clock, corefile.lameduck_ms ?? 0);
      for (const page of pages) page?.close();
      await dns.close();
      client.close();
    },
  };
}

/** Returns the resolvers that a Corefile names: by address, or by the path of a resolv.conf. */
export function upstreamsOf(names: readonly string[]): Upstream[] {
  return names.flatMap((name) => {
    if (name.startsWith("/")) return machineUpstreams([name]);
    const [, address = "", port = "53"] = /^(?:dns:\/\/)?([\d.]+)(?::(\d+))?$/.exec(name) ?? [];
    if (isIP(address) !== 0) return [{ address, port: Number(port) }];
    throw new CommandError("COREFILE", `Corefile: forward to ${name} is not supported`);
  });
}

/** Serves a page on all addresses, which every pod reaches: each has a part of its connections. */
export function servePage(
  port: number | undefined,
  path: string,
  answer: () => Promise<{ status: number; body: string }>,
): { close(): void } | undefined {
  if (port === undefined) return undefined;
  const server = createServer((request, response) => {
    const answered = request.url === path ? answer() : Promise.resolve({ status: 404, body: "" });
    void answered.then(({ status, body }) => response.writeHead(status).end(body));
  });
  paceHttp(server);
  limitConnections(server);
  server.on("error", (error) => {
    process.stderr.write(`coredns: ${path}: ${messageOf(error)}\n`);
    process.exit(1);
  });
  server.listen(port);
  return server;
}

/** Ends the process when the Corefile has changed and is well: the kubelet starts it again. */
function startReload({ file, text }: { file: string; text: string }, clock: Clock) {
  const look = async () => {
    const now = await readFile(file, "utf8");
    if (now === text) return;
    parseCorefile(now);
    process.kill(process.pid, "SIGTERM");
  };
  let timer = clock.after(RELOAD_MS, function again() {
    look().catch((thrown: unknown) => process.stderr.write(`coredns: ${String(thrown)}\n`));
    timer = clock.after(RELOAD_MS, again);
  });
  return { close: () => timer.cancel() };
}
