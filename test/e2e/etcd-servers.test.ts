import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";

const TIMEOUT_MS = 180_000;
const ENDPOINT = "http://127.0.0.1:2379";
const PEER = "http://127.0.0.1:2380";

let host: OwnHost;
let etcd: ChildProcess;
let cluster: TestCluster;

/** Debian's etcd in the test's own host. */
async function startEtcd(): Promise<void> {
  const urls = ["--listen-client-urls", ENDPOINT, "--advertise-client-urls", ENDPOINT];
  const peers = ["--listen-peer-urls", PEER, "--initial-advertise-peer-urls", PEER];
  const member = ["--initial-cluster", `default=${PEER}`, "--data-dir", join(host.dir, "etcd")];
  etcd = host.start("etcd", [...urls, ...peers, ...member, "--log-level", "error"]);
  const healthy = async () => (await etcdctl("endpoint", "health")).code === 0;
  await waitFor("etcd to be healthy", healthy, { clock: systemClock() });
}

function etcdctl(...args: string[]) {
  const env = { ETCDCTL_API: "3" };
  return host.run("etcdctl", ["--endpoints", ENDPOINT, ...args], { env });
}

beforeAll(async () => {
  host = await OwnHost.create();
  await startEtcd();
  cluster = await TestCluster.startIn(host, "onetcd", ["--etcd-servers", ENDPOINT]);
}, TIMEOUT_MS);

afterAll(async () => {
  const down = await cluster?.down();
  const ended = once(etcd, "exit");
  etcd.kill("SIGTERM");
  await ended;
  await host.close();
  expect(down?.code).toBe(0);
}, TIMEOUT_MS);

describe("on Debian's etcd", { timeout: TIMEOUT_MS }, () => {
  it("the demo answers through its Service", async () => {
    const ip = await cluster.ask("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    expect(await cluster.curl(`http://${ip}/`)).toMatch(/hello from raft2kube/);
  });

  it("kubectl creates and watches a ConfigMap, which is in that etcd alone", async () => {
    const watch = cluster.startKubectl([
      "get",
      "configmaps",
      "--watch-only",
      "--field-selector",
      "metadata.name=seen",
      "--output-watch-events",
      "-o",
      "jsonpath={.type} {.object.data.step}{'\\n'}",
    ]);
    let events = "";
    watch.stdout!.setEncoding("utf8").on("data", (text: string) => (events += text));
    try {
      // The watch shows nothing that was there before it: it is tried until it is open.
      await waitFor(
        "the watch to be open",
        async () => {
          await cluster.kubectl(["delete", "configmap", "seen", "--ignore-not-found"]);
          await cluster.ask("create", "configmap", "seen", "--from-literal=step=1");
          return events.includes("ADDED 1");
        },
        { clock: systemClock() },
      );
      await cluster.ask("patch", "configmap", "seen", "-p", '{"data":{"step":"2"}}');
      await cluster.ask("delete", "configmap", "seen");
      await expect.poll(() => events).toMatch(/MODIFIED 2\nDELETED 2\n$/);
    } finally {
      watch.kill();
    }
    await cluster.ask("create", "configmap", "kept", "--from-literal=where=etcd");
    const prefix = "/registry/configmaps/default/";
    const { stdout } = await etcdctl("get", "--prefix", "--keys-only", prefix);
    expect(stdout).toContain(`${prefix}kept`);
    const store = await host.run("ls", [join(host.dir, "data/onetcd/store")]);
    expect(store.code).not.toBe(0);
  });

  it("the cluster is killed and started again: it finds its objects in that etcd", async () => {
    await cluster.kill();
    await cluster.up();
    expect(await cluster.ask("get", "configmap", "kept", "-o", "jsonpath={.data.where}")).toBe(
      "etcd",
    );
  });
});
