import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import type { OwnHost } from "./own-host.ts";
import { sharedCluster } from "./shared-cluster.ts";

// Takes turns, installations: see bootstrap.test.ts.

const ADDRESS = "10.200.0.2";
/** Folders of the machine that are covered for this host alone. */
const COVERED = ["/etc", "/var/lib"];
const EXAMPLE = join(import.meta.dirname, "../../examples/dns-proxy.yaml");
const manifest = (release: string) => join(import.meta.dirname, `testdata/etcd-${release}.yaml`);

let host: OwnHost;
let cluster: TestCluster;
let pki: string;

beforeAll(async () => {
  cluster = await sharedCluster("program-images");
  host = cluster.host;
  for (const path of COVERED) await ownFolder(path);
  pki = join(host.dir, "pki");
  await writePki(pki);
  const copied = await host.run("sh", [
    "-ec",
    'mkdir -p /etc/kubernetes/pki && cp -r "$1" /etc/kubernetes/pki/etcd && rm -rf /var/lib/etcd',
    "sh",
    pki,
  ]);
  expect(copied.code, copied.stderr).toBe(0);
  await loadImage("store", imageOf(manifest("1.27")));
  place("1.27");
  // While the first one's startup probe waits.
  await loadImage("store", imageOf(manifest("1.36")));
});

afterAll(async () => {
  rmSync(placed(), { force: true });
  await cluster.until("no member", [...MEMBER, "-o", "name"], (names) => names === "");
  for (const path of COVERED) await host.run("umount", ["--lazy", path]);
  await cluster.leave();
});

/** The pod of the manifest that is placed. */
const MEMBER = ["get", "pods", "-n", "kube-system", "-l", "component=etcd"];

/** Lays a layer of its own over a folder of this machine, for this host alone. */
async function ownFolder(path: string): Promise<void> {
  const layer = join(host.dir, path.replaceAll("/", "-"));
  for (const name of ["upper", "work"]) mkdirSync(join(layer, name), { recursive: true });
  const options = `lowerdir=${path},upperdir=${layer}/upper,workdir=${layer}/work`;
  const mounted = await host.run("mount", ["-t", "overlay", "overlay", "-o", options, path]);
  expect(mounted.code, mounted.stderr).toBe(0);
}

/** Writes the files that kubeadm puts into /etc/kubernetes/pki/etcd. */
async function writePki(dir: string): Promise<void> {
  mkdirSync(dir);
  const now_ms = Date.now();
  const days = 2;
  const ca = await createCa({ commonName: "etcd-ca", days, now_ms });
  writeFileSync(join(dir, "ca.crt"), ca.cert);
  const names = { dnsNames: ["cp-1", "localhost"], ipAddresses: [ADDRESS, "127.0.0.1", "::1"] };
  const usages = ["server", "client"] as const;
  for (const name of ["server", "peer", "healthcheck-client"]) {
    const request = { commonName: "cp-1", ...names, usages, days };
    const { cert, key } = await issueCertificate(ca, request, now_ms);
    writeFileSync(join(dir, `${name}.crt`), cert);
    writeFileSync(join(dir, `${name}.key`), key, { mode: 0o600 });
  }
}

const imageOf = (path: string) => /^ +image: (.*)$/m.exec(readFileSync(path, "utf8"))![1]!;

/** Builds a program's image under the name that a manifest asks for, and puts it on the node. */
async function loadImage(program: string, name: string): Promise<void> {
  const archive = join(host.dir, `${program}.tar`);
  const built = await host.r2k(["image", program, archive, "--name", name]);
  expect(built.code, built.stderr).toBe(0);
  const loaded = await host.r2k(["image", "load", archive, "--name", cluster.name]);
  expect(loaded.stdout, loaded.stderr).toBe(`loaded ${name}\n`);
}

/** Replaces a manifest atomically, as kubeadm does. */
function place(release: string): void {
  copyFileSync(manifest(release), `${placed()}.new`);
  renameSync(`${placed()}.new`, placed());
}

const placed = () => join(host.dir, "data", cluster.name, "manifests", "etcd.yaml");

/** The pod of a release's manifest has passed its startup probe, and is ready. */
async function untilStarted(release: string): Promise<string> {
  const image = imageOf(manifest(release));
  const container = "{.items[0].status.containerStatuses[0]";
  const asked = "{.items[0].spec.containers[0].image}";
  const status = `${asked} ${container}.started} ${container}.ready} {.items[0].metadata.uid}`;
  const args = [...MEMBER, "-o", `jsonpath=${status}`];
  const started = (answer: string) => answer.startsWith(`${image} true true `);
  const answer = await cluster.until(`the member of ${release}`, args, started, 90_000);
  return answer.split(" ").at(-1)!;
}

async function etcdctl(...args: string[]): Promise<string> {
  const client = `${pki}/healthcheck-client`;
  const pair = ["--cert", `${client}.crt`, "--key", `${client}.key`];
  const flags = ["--endpoints", `https://${ADDRESS}:2379`, "--cacert", `${pki}/ca.crt`, ...pair];
  const { code, stdout, stderr } = await host.run("etcdctl", [...flags, ...args], {
    env: { ETCDCTL_API: "3" },
  });
  if (code !== 0) throw new Error(`etcdctl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

describe("the image of the store, in kubeadm's manifests", () => {
  let first: string;

  it("boots from that of 1.27, its probes green, and serves over TLS", async () => {
    first = await untilStarted("1.27");
    expect(await etcdctl("put", "kept", "through the upgrade")).toBe("OK\n");
    expect(await etcdctl("member", "list")).toContain("started, cp-1, https://10.200.0.2:2380");
  });

  it("edited into that of 1.36, the member restarts, with what it had", async () => {
    place("1.36");
    const second = await untilStarted("1.36");
    expect(second).not.toBe(first);
    expect(await etcdctl("get", "kept", "--print-value-only")).toBe("through the upgrade\n");
    const pod = await cluster.ask(...MEMBER, "-o", "jsonpath={.items[0].metadata.name}");
    const unhealthy = `reason=Unhealthy,involvedObject.name=${pod}`;
    const failed = ["get", "events", "-n", "kube-system", "--field-selector", unhealthy];
    const messages = await cluster.ask(...failed, "-o", "jsonpath={.items[*].message}");
    // That of its start fails for as long as a busy machine needs for it.
    expect(messages).not.toMatch(/(Liveness|Readiness) probe/);
  });

  it("is an image to others too: skopeo reads it", async () => {
    const archive = join(host.dir, "store.tar");
    const inspected = await host.run("skopeo", ["inspect", `oci-archive:${archive}`]);
    expect(inspected.code, inspected.stderr).toBe(0);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ Os: "linux" });
  });
});

/**
 * Asks a DNS server for a Service's address, over UDP or TCP, until it answers, as it may listen a
 * moment after its container runs; prints the answer's last 4 bytes.
 */
const ASK_DNS = `
const [transport, server, name] = process.argv.slice(1);
const labels = name.split(".").flatMap((one) => [one.length, ...Buffer.from(one)]);
const query = Buffer.from([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
const print = (answer) => { console.log(answer.subarray(-4).join(".")); process.exit(); };
const ask = () => {
  if (transport === "udp") {
    const socket = require("node:dgram").createSocket("udp4");
    socket.once("message", print);
    socket.send(query, 53, server);
  } else {
    const socket = require("node:net").connect(53, server);
    socket.once("data", print).once("error", () => undefined);
    socket.write(Buffer.concat([Buffer.from([0, query.length]), query]));
  }
};
ask();
setInterval(ask, 1000);`;

describe("the image of the port proxy", () => {
  it("serves the cluster's DNS on port 53 of the node, as an ordinary user", async () => {
    await loadImage("port-proxy", "r2k.local/port-proxy:1");
    await cluster.apply(readFileSync(EXAMPLE, "utf8"));
    const ready = "{.status.containerStatuses[*].ready}";
    const pod = ["get", "pod", "dns-proxy", "-o", `jsonpath=${ready} {.status.hostIP}`];
    const isReady = (text: string) => text.startsWith("true true ");
    const node = (await cluster.until("the proxy", pod, isReady, 90_000)).split(" ").at(-1)!;
    const address = "jsonpath={.spec.clusterIP}";
    const clusterIp = await cluster.ask(
      "get",
      "service",
      "kubernetes",
      "-n",
      "default",
      "-o",
      address,
    );
    for (const transport of ["udp", "tcp"]) {
      const args = ["-e", ASK_DNS, transport, node, "kubernetes.default.svc.cluster.local"];
      const answered = await host.run(process.execPath, args);
      expect(answered.stdout, answered.stderr).toBe(`${clusterIp}\n`);
    }
  });

  it("ends at wrong arguments with what they may be", async () => {
    const container = { name: "main", image: "r2k.local/port-proxy:1", args: ["sctp", "53"] };
    const spec = { containers: [container], restartPolicy: "Never" };
    const metadata = { name: "wrong" };
    await cluster.apply(JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec }));
    const phase = ["get", "pod", "wrong", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to fail", phase, (text) => text === "Failed", 60_000);
    const log = await cluster.ask("logs", "wrong");
    expect(log).toContain("sctp: the protocol is tcp or udp");
    expect(log).toContain("port-proxy tcp|udp PORT SERVICE [TIMEOUT]");
  });
});
