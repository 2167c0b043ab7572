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
const DOMAIN = "images.example.com";
export const DATABASE_IMAGE = `${DOMAIN}/debian-etcd:1`;
/** Where nodes find the registry: at the host's address in the first cluster of a machine. */
export const REGISTRY_FLAGS = ["--registry", `${DOMAIN}=http://10.200.0.1:${REGISTRY_PORT}`];

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

/** Builds the image, and serves it by a registry of the host. */
export async function provideDatabaseImage(cluster: TestCluster): Promise<void> {
  const { host } = cluster;
  const dir = join(host.dir, "registry");
  mkdirSync(dir);
  const archive = join(dir, "image.tar");
  await writeArchive(archive);
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
  const copied = await host.run("skopeo", [
    ...copy,
    `docker://${DATABASE_IMAGE.replace(DOMAIN, `127.0.0.1:${REGISTRY_PORT}`)}`,
  ]);
  expect(copied.code, copied.stderr).toBe(0);
}
