import type { ChildProcess } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../testing/killed.ts";
import { waitFor } from "../../testing/wait.ts";
import { TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";

// Takes turns, control planes: see hard-way.test.ts.

const ENDPOINT = "https://127.0.0.1:2379";
const PEER = "http://127.0.0.1:2380";

let host: OwnHost;
let etcd: ChildProcess;
let cluster: TestCluster;

const pem = (name: string) => join(host.dir, `etcd-${name}.pem`);

/** A CA of the etcd's own, and a pair that the server and its clients share. */
async function writeCertificates(): Promise<void> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "etcd-ca", days: 1, now_ms });
  const request = { commonName: "etcd", ipAddresses: ["127.0.0.1"], days: 1 };
  const pair = await issueCertificate(ca, { ...request, usages: ["server", "client"] }, now_ms);
  for (const [name, text] of Object.entries({ ca: ca.cert, ...pair })) {
    writeFileSync(pem(name), text);
  }
}

/** Debian's etcd in the test's own host. Its clients need a certificate. */
async function startEtcd(): Promise<void> {
  const tls = ["--client-cert-auth", "--trusted-ca-file", pem("ca"), "--cert-file", pem("cert")];
  const urls = ["--listen-client-urls", ENDPOINT, "--advertise-client-urls", ENDPOINT];
  const peers = ["--listen-peer-urls", PEER, "--initial-advertise-peer-urls", PEER];
  const member = ["--initial-cluster", `default=${PEER}`, "--data-dir", join(host.dir, "etcd")];
  etcd = host.start("etcd", [
    ...urls,
    ...peers,
    ...member,
    ...tls,
    "--key-file",
    pem("key"),
    "--log-level",
    "error",
  ]);
  const healthy = async () => (await etcdctl("endpoint", "health")).code === 0;
  await waitFor("etcd to be healthy", healthy, { clock: machineClock() });
}

async function stopEtcd(): Promise<void> {
  await killed(etcd, "SIGTERM");
}

function etcdctl(...args: string[]) {
  const env = { ETCDCTL_API: "3" };
  const files = ["--cacert", pem("ca"), "--cert", pem("cert"), "--key", pem("key")];
  return host.run("etcdctl", ["--endpoints", ENDPOINT, ...files, ...args], { env });
}

beforeAll(async () => {
  host = await OwnHost.create();
  await writeCertificates();
  await startEtcd();
  // Relative paths are those of the command's folder, which nsenter(1) makes the root.
  const relativePem = (name: string) => relative("/", pem(name));
  cluster = await TestCluster.startIn(host, "cluster-on-etcd", [
    "--etcd-servers",
    ENDPOINT,
    "--etcd-cafile",
    relativePem("ca"),
    "--etcd-certfile",
    relativePem("cert"),
    "--etcd-keyfile",
    relativePem("key"),
  ]);
});

afterAll(async () => {
  const down = await cluster?.down();
  await stopEtcd();
  await host.close();
  expect(down?.code).toBe(0);
});

describe("on Debian's etcd", () => {
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
        { clock: machineClock() },
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
    const store = await host.run("ls", [join(host.dir, "data/cluster-on-etcd/store")]);
    expect(store.code).not.toBe(0);
  });

  it("a start without the files that its TLS needs says which, and makes nothing", async () => {
    const refused = await host.r2k(["start", "--name", "other", "--etcd-servers", ENDPOINT]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/https:\/\/127\.0\.0\.1:2379: .*certificate/);
    expect(refused.stderr).toContain("https needs --etcd-cafile");
  });

  it("the cluster is killed and started again: it finds its objects in that etcd", async () => {
    await cluster.kill();
    await cluster.up();
    expect(await cluster.ask("get", "configmap", "kept", "-o", "jsonpath={.data.where}")).toBe(
      "etcd",
    );
  });

  it("a backup has that etcd's snapshot, of which another etcd is made at restore", async () => {
    const [file, words] = [join(host.dir, "saved.age"), join(host.dir, "words")];
    writeFileSync(words, "several words of a test\n");
    const passphrase = ["--passphrase-file", words];
    const saved = await host.r2k(["backup", file, "--name", "cluster-on-etcd", ...passphrase]);
    expect(saved.code, saved.stderr).toBe(0);
    expect((await cluster.down()).code).toBe(0);
    await stopEtcd();
    rmSync(join(host.dir, "etcd"), { recursive: true });
    const restored = await host.r2k(["restore", file, ...passphrase]);
    expect(restored.code, restored.stderr).toBe(0);
    const [, snapshot = ""] = /snapshot restore (\S+) --data-dir/.exec(restored.stdout) ?? [];
    const made = await host.run(
      "etcdctl",
      [
        "snapshot",
        "restore",
        snapshot,
        "--data-dir",
        join(host.dir, "etcd"),
        "--initial-cluster",
        `default=${PEER}`,
        "--initial-advertise-peer-urls",
        PEER,
      ],
      { env: { ETCDCTL_API: "3" } },
    );
    expect(made.code, made.stderr).toBe(0);
    rmSync(snapshot);
    await startEtcd();
    await cluster.up();
    expect(await cluster.ask("get", "configmap", "kept", "-o", "jsonpath={.data.where}")).toBe(
      "etcd",
    );
  });
});
