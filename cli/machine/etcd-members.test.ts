import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { Cluster } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { pathsOf } from "../pki/identities.ts";
import { parseGoFlags } from "../store/go-flags.ts";
import { storeOptions } from "../store/options.ts";
import { settingsOf } from "../store/server.ts";
import { ensureAuthority, ensureLeaf, leavesOf } from "./certificates.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import type { MachineContext } from "./context.ts";
import { initialClusterOf, joinEtcd, leaveEtcd, requireOwnStore } from "./etcd-members.ts";
import { staticPod } from "./static-pods.ts";

const clock = systemClock();

/** A machine with its etcd's certificates and manifest; all are this host, by its addresses. */
async function machineOf(folder: string, nodeName: string, address: string, cluster?: string) {
  const text = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
certificatesDir: ${join(folder, nodeName)}
etcd: { local: { dataDir: "${join(folder, nodeName, "data")}" } }
`;
  const config = parseKubeadmConfig(text, "");
  const values = { cluster: config.cluster, nodeName, address, bindPort: 6443, signs: true };
  const more = cluster === undefined ? {} : { initialCluster: cluster };
  const manifest = join(folder, `${nodeName}.yaml`);
  const yaml = stringify(await staticPod("etcd", { ...values, ...more }));
  writeFileSync(manifest, yaml);
  const pki = config.cluster.certificatesDir;
  const start = async () => {
    const {
      spec: {
        containers: [{ command }],
      },
    } = parse(readFileSync(manifest, "utf8")) as { spec: { containers: [{ command: string[] }] } };
    // The machines share loopback, and want no page of metrics.
    const flags = command
      .slice(1)
      .filter((flag) => !flag.startsWith("--listen-metrics-urls"))
      .map((flag) => flag.replace("https://127.0.0.1:2379,", ""));
    const store = await startStore(storeOptions(settingsOf(parseGoFlags(flags), {}).settings));
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= store.close());
    onTestFinished(close);
    return { close };
  };
  const leaves = leavesOf(config.cluster, { nodeName, address });
  return { config, nodeName, address, manifest, pki, start, leaves };
}

/** Gives each machine the certificates of its etcd. */
async function giveCertificates(machines: readonly MachineOfTest[]) {
  const ca = await ensureAuthority(machines[0]!.pki, "etcd/ca", Date.now());
  for (const { pki, leaves } of machines) {
    for (const leaf of leaves.filter(({ authority }) => authority === "etcd/ca")) {
      await ensureLeaf(pki, leaf, ca, Date.now());
    }
    writeFileSync(pathsOf(pki, "etcd/ca").cert, ca.cert);
  }
  return ca;
}

function membersAt({ address, pki }: MachineOfTest, ca: string) {
  const pair = pathsOf(pki, "etcd/healthcheck-client");
  const read = (path: string) => readFileSync(path, "utf8");
  const tls = { ca, cert: read(pair.cert), key: read(pair.key) };
  const channel = connectGrpc(`https://${address}:2379`, { tls });
  onTestFinished(() => channel.close());
  return client(channel, Cluster);
}

/** A client of an API server that knows the pods of etcd of these machines. */
async function clientKnowing(machines: readonly MachineOfTest[]) {
  const nodes = machines.map(({ nodeName: name }) => ({ metadata: { name } }));
  const pods = machines.map(({ nodeName, manifest }) => {
    const { metadata } = parse(readFileSync(manifest, "utf8")) as Pod;
    return { metadata, spec: { nodeName, containers: [] } };
  });
  const server = createServer(({ url = "" }, response) => {
    const items = url.includes("/nodes") ? nodes : pods;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ metadata: {}, items }));
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  const made = new KubeClient({ server: `http://127.0.0.1:${port}`, clock, userAgent: "test" });
  onTestFinished(() => made.close());
  return made;
}

/** The context of a join; `note` gets its lines. */
const contextOf = (
  { config, nodeName, address }: Pick<MachineOfTest, "config" | "nodeName" | "address">,
  note: (line: string) => void = () => undefined,
  signal = new AbortController().signal,
): MachineContext => ({
  ...{ ...config, nodeName, address, clock, signal, note },
  bindPort: 6443,
  ignored: new Set(),
  releaseImages: () => Promise.reject(new Error("no image is needed")),
});

type MachineOfTest = Awaited<ReturnType<typeof machineOf>>;

test("a learner that leaves is removed by another member", async () => {
  const folder = testFolder("r2k-etcd-members-");
  const [one, two] = ["127.41.0.1", "127.41.0.2"];
  const first = await machineOf(folder, "cp-1", one);
  const initial = `cp-1=https://${one}:2380,cp-2=https://${two}:2380`;
  const second = await machineOf(folder, "cp-2", two, initial);
  const ca = await giveCertificates([first, second]);
  await first.start();
  await requireOwnStore([`https://${one}:2379`], first.pki);
  const members = membersAt(first, ca.cert);
  await members.memberAdd({ peerURLs: [`https://${two}:2380`], isLearner: true });
  await second.start();

  const notes: string[] = [];
  await leaveEtcd((line) => notes.push(line), second);
  expect(notes).toEqual(["[reset] Removing this machine's member of etcd"]);
  const left = (await members.memberList({ linearizable: true })).members;
  expect(left.map(({ name }) => name)).toEqual(["cp-1"]);
  // The last member stays where its data is.
  await leaveEtcd((line) => notes.push(line), first);
  expect(notes).toHaveLength(1);
});

test("one process beside a store of others has no member to take away", async () => {
  const folder = testFolder("r2k-etcd-members-");
  const { config, manifest, pki, nodeName, address } = await machineOf(
    folder,
    "cp-1",
    "127.41.0.3",
  );
  const external = { endpoints: ["https://a:2379"], caFile: "", certFile: "", keyFile: "" };
  const etcd = { local: config.cluster.etcd.local, external };
  const values = { cluster: { ...config.cluster, etcd }, nodeName, address };
  const pod = staticPod("control-plane", { ...values, bindPort: 6443, signs: true });
  writeFileSync(manifest, stringify(pod));
  const notes: string[] = [];
  await leaveEtcd((line) => notes.push(line), { manifest, pki });
  expect(notes).toEqual([]);
});

test("a member that joins meanwhile, and has no name yet, is named by its id", () => {
  const member = (ID: bigint, name: string) => ({ ID, name, peerURLs: [`https://10.0.0.${ID}`] });
  const all = [member(1n, "cp-1"), member(26n, ""), member(3n, "")];
  const isOwn = ({ peerURLs }: { peerURLs: string[] }) => peerURLs.includes("https://10.0.0.3");
  expect(initialClusterOf(all, isOwn, "cp-3")).toBe(
    "cp-1=https://10.0.0.1,1a=https://10.0.0.26,cp-3=https://10.0.0.3",
  );
});

test("a join that is interrupted ends its wait for the members", async () => {
  const context = contextOf(
    { config: parseKubeadmConfig("", ""), nodeName: "cp-2", address: "127.0.0.1" },
    undefined,
    AbortSignal.abort(new Error("interrupted")),
  );
  const joining = joinEtcd(context, await clientKnowing([]));
  await expect(joining).rejects.toThrow("interrupted");
});

test("a join that was killed is undone, and a member whose data is gone is replaced", async () => {
  const folder = testFolder("r2k-etcd-members-");
  const first = await machineOf(folder, "cp-1", "127.41.1.1");
  const others = [
    await machineOf(folder, "cp-2", "127.41.1.2"),
    await machineOf(folder, "cp-3", "127.41.1.3"),
  ];
  const third = others[1]!;
  const ca = await giveCertificates([first, ...others]);
  await first.start();
  const members = membersAt(first, ca.cert);
  const kube = await clientKnowing([first]);
  const notes: string[] = [];
  const listed = async () => (await members.memberList({ linearizable: true })).members;

  rmSync(third.manifest);
  const killed = contextOf(third, (line) => {
    if (line.startsWith("[etcd] Announced")) throw new Error("killed");
  });
  await expect(joinEtcd(killed, kube, third.manifest)).rejects.toThrow("killed");
  expect(await listed()).toHaveLength(2);
  await leaveEtcd(() => undefined, third);
  expect(await listed()).toHaveLength(1);

  const joins = async (machine: MachineOfTest) => {
    const started = Promise.withResolvers<Awaited<ReturnType<typeof machine.start>>>();
    const context = contextOf(machine, (line) => {
      notes.push(line);
      if (line.startsWith("[etcd] Creating")) started.resolve(machine.start());
    });
    await joinEtcd(context, kube, machine.manifest);
    return started.promise;
  };
  const stores = [await joins(others[0]!), await joins(third)];
  const before = await listed();
  await stores[1]!.close();
  rmSync(join(folder, "cp-3", "data"), { recursive: true });
  notes.length = 0;
  await joins(third);
  expect(notes[0]).toBe("[etcd] Removing this machine's former member, whose data is gone");
  const after = await listed();
  expect(after.map(({ name, isLearner }) => `${name} ${isLearner}`).sort()).toEqual([
    "cp-1 false",
    "cp-2 false",
    "cp-3 false",
  ]);
  const idOf = (all: typeof after) => all.find(({ name }) => name === "cp-3")!.ID;
  expect(idOf(after)).not.toBe(idOf(before));
  // A machine with the address of another's member does not remove that.
  const elsewhere = await machineOf(folder, "cp-4", third.address);
  const { cluster } = elsewhere.config;
  const mistaken = { ...elsewhere.config, cluster: { ...cluster, certificatesDir: third.pki } };
  const wrong = contextOf(
    { ...elsewhere, config: mistaken },
    undefined,
    AbortSignal.timeout(1_000),
  );
  await expect(joinEtcd(wrong, kube, elsewhere.manifest)).rejects.toThrow();
  expect(await listed()).toEqual(after);
});
