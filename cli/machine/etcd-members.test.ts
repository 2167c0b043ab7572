import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { Cluster } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { parseGoFlags } from "../store/go-flags.ts";
import { storeOptions } from "../store/options.ts";
import { settingsOf } from "../store/server.ts";
import { quietProgress, terminalProgress } from "../terminal.ts";
import { ensureAuthority, ensureLeaf, leavesOf, pathsOf } from "./certificates.ts";
import { parseKubeadmConfig } from "./config/kubeadm.ts";
import { initialClusterOf, joinEtcd, leaveEtcd, requireOwnStore } from "./etcd-members.ts";
import { staticPod } from "./static-pods.ts";

/** A machine with its etcd's certificates and manifest; all are this host, by its addresses. */
async function machineOf(folder: string, nodeName: string, address: string, cluster?: string) {
  const text = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
certificatesDir: ${join(folder, nodeName)}
etcd: { local: { dataDir: "${join(folder, nodeName, "data")}" } }
`;
  const config = parseKubeadmConfig(text, "").cluster;
  const values = { cluster: config, nodeName, address, bindPort: 6443, signs: true };
  const more = cluster === undefined ? {} : { initialCluster: cluster };
  const manifest = join(folder, `${nodeName}.yaml`);
  const yaml = stringify(await staticPod("etcd", { ...values, ...more }));
  writeFileSync(manifest, yaml);
  const pki = config.certificatesDir;
  const {
    spec: {
      containers: [{ command }],
    },
  } = parse(yaml) as { spec: { containers: [{ command: string[] }] } };
  const start = async () => {
    // The machines share loopback, and want no page of metrics.
    const flags = command
      .slice(1)
      .filter((flag) => !flag.startsWith("--listen-metrics-urls"))
      .map((flag) => flag.replace("https://127.0.0.1:2379,", ""));
    const store = await startStore(storeOptions(settingsOf(parseGoFlags(flags), {}).settings));
    onTestFinished(() => store.close());
    return store;
  };
  return { manifest, pki, start, leaves: leavesOf(config, { nodeName, address }) };
}

test("a learner that leaves is removed by another member", async () => {
  const folder = testFolder("r2k-etcd-members-");
  const [one, two] = ["127.41.0.1", "127.41.0.2"];
  const first = await machineOf(folder, "cp-1", one);
  const initial = `cp-1=https://${one}:2380,cp-2=https://${two}:2380`;
  const second = await machineOf(folder, "cp-2", two, initial);
  const ca = await ensureAuthority(first.pki, "etcd/ca", Date.now());
  for (const { pki, leaves } of [first, second]) {
    for (const leaf of leaves.filter(({ authority }) => authority === "etcd/ca")) {
      await ensureLeaf(pki, leaf, ca, Date.now());
    }
    writeFileSync(pathsOf(pki, "etcd/ca").cert, ca.cert);
  }
  await first.start();
  await requireOwnStore([`https://${one}:2379`], first.pki);
  const pair = pathsOf(first.pki, "etcd/healthcheck-client");
  const read = (path: string) => readFileSync(path, "utf8");
  const tls = { ca: ca.cert, cert: read(pair.cert), key: read(pair.key) };
  const channel = connectGrpc(`https://${one}:2379`, { tls });
  onTestFinished(() => channel.close());
  const members = client(channel, Cluster);
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

test("a member that joins meanwhile, and has no name yet, is named by its id", () => {
  const member = (ID: bigint, name: string) => ({ ID, name, peerURLs: [`https://10.0.0.${ID}`] });
  const all = [member(1n, "cp-1"), member(26n, ""), member(3n, "")];
  const isOwn = ({ peerURLs }: { peerURLs: string[] }) => peerURLs.includes("https://10.0.0.3");
  expect(initialClusterOf(all, isOwn, "cp-3")).toBe(
    "cp-1=https://10.0.0.1,1a=https://10.0.0.26,cp-3=https://10.0.0.3",
  );
});

test("a join that is interrupted ends its wait for the members", async () => {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json").end('{"metadata":{},"items":[]}');
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  const clock = systemClock();
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock, userAgent: "test" });
  onTestFinished(() => client.close());
  const joining = joinEtcd(
    {
      config: parseKubeadmConfig("", ""),
      nodeName: "cp-2",
      address: "127.0.0.1",
      bindPort: 6443,
      clock,
      progress: quietProgress(terminalProgress(clock)),
      ignored: new Set(),
      signal: AbortSignal.abort(new Error("interrupted")),
      releaseImages: () => Promise.reject(new Error("no image is needed")),
    },
    client,
  );
  await expect(joining).rejects.toThrow("interrupted");
});
