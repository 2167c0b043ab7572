import { execFileSync } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { busyboxEntries, IMAGE_PATH } from "@raft2kube/runtime/build/busybox.ts";
import { buildArchive } from "@raft2kube/runtime/build/image-builder.ts";
import type { TarInput } from "@raft2kube/runtime/image/tar/write.ts";
import { expect } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import type { TestCluster } from "../e2e/cluster.ts";

const REGISTRY_PORT = 5000;
/** Nodes pull without TLS from their loopback alone: in guests a pod forwards it to the host's. */
export const DATABASE_IMAGE = `127.0.0.1:${REGISTRY_PORT}/debian-etcd:1`;
const TIMEOUT_S = 120;

/** Programs of this machine's Debian packages. */
const PROGRAMS = ["etcd", "etcdctl", "flock"];
const DIRECTORIES = ["lib/", "lib64/", "lib/x86_64-linux-gnu/", "usr/local/", "usr/local/bin/"];

const output = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8" });

/** Writes an OCI archive of Debian's etcd and its client, with a shell. */
async function writeArchive(file: string): Promise<void> {
  const which = (program: string) => output("sh", "-c", `command -v ${program}`).trim();
  const entries: TarInput[] = [
    ...(await busyboxEntries(which("busybox"))),
    ...DIRECTORIES.map((name): TarInput => ({ name, type: "directory", mode: 0o755 })),
  ];
  const libraries = new Set<string>();
  for (const program of PROGRAMS) {
    for (const [, path] of output("ldd", which(program)).matchAll(/(\/\S+) \(0x/g)) {
      libraries.add(path!);
    }
    const content = readFileSync(which(program));
    entries.push({ name: `usr/local/bin/${program}`, mode: 0o755, content });
  }
  for (const path of libraries) {
    entries.push({ name: path.slice(1), mode: 0o755, content: readFileSync(path) });
  }
  const config = { Env: [IMAGE_PATH, "ETCDCTL_API=3"], Cmd: ["sh"] };
  const archive = await buildArchive({ name: DATABASE_IMAGE, entries, config });
  await pipeline(archive, createWriteStream(file));
}

/** Pods that make the host's registry the loopback's of each guest. */
const forwarders = (hostAddress: string) => `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: registry }
spec:
  selector: { matchLabels: { app: registry } }
  template:
    metadata: { labels: { app: registry } }
    spec:
      hostNetwork: true
      nodeSelector: { r2k.io/nfs-client: "true" }
      terminationGracePeriodSeconds: 1
      containers:
        - name: forward
          image: r2k.local/busybox:1
          imagePullPolicy: IfNotPresent
          command:
            [nc, -ll, -p, "${REGISTRY_PORT}", -e, nc, ${hostAddress}, "${REGISTRY_PORT}"]
`;

/** Builds the image, loads it into the nodes that are no guests, and offers it to guests. */
export async function provideDatabaseImage(cluster: TestCluster): Promise<void> {
  const { host } = cluster;
  const dir = join(host.dir, "registry");
  mkdirSync(dir);
  const archive = join(dir, "image.tar");
  await writeArchive(archive);
  const loaded = await host.r2k(["image", "load", archive, "--name", cluster.name]);
  expect(loaded.stdout, loaded.stderr).toBe(`loaded ${DATABASE_IMAGE}\n`);

  const config = join(dir, "registry.yml");
  writeFileSync(
    config,
    [
      "version: 0.1",
      "storage:",
      "  filesystem:",
      `    rootdirectory: ${dir}/content`,
      "http:",
      `  addr: 0.0.0.0:${REGISTRY_PORT}`,
      "",
    ].join("\n"),
  );
  const registry = host.start("docker-registry", ["serve", config]);
  registry.stdout!.resume();
  registry.stderr!.resume();
  const answers = () => cluster.curl(`http://127.0.0.1:${REGISTRY_PORT}/v2/`);
  await waitFor("the registry", answers, { clock: machineClock() });
  const copy = ["copy", "--insecure-policy", "--dest-tls-verify=false", `oci-archive:${archive}`];
  const copied = await host.run("skopeo", [...copy, `docker://${DATABASE_IMAGE}`]);
  expect(copied.code, copied.stderr).toBe(0);

  const address = "jsonpath={.subsets[0].addresses[0].ip}";
  const hostAddress = await cluster.ask("get", "endpoints", "kubernetes", "-o", address);
  await cluster.apply(forwarders(hostAddress));
  const limit = `--timeout=${TIMEOUT_S}s`;
  await cluster.ask("rollout", "status", "daemonset/registry", limit);
}
