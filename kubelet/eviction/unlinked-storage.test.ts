import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readlinkSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { wholeFileSystem } from "@raft2kube/linux/beneath/tree-usage.ts";
import { mountsNaming, parseMountInfoLine } from "@raft2kube/linux/mount/mountinfo.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { NOTHING } from "./local-storage.ts";
import { unlinkedStorage } from "./unlinked-storage.ts";

let rootDir: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  rootDir = testFolder("r2k-unlinked-storage-");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  if (child?.kill("SIGKILL")) await once(child, "exit");
});

const paths = () => ({ rootDir, podLogsDir: rootDir, containerLogsDir: undefined });
const podOf = (kind: Partial<Volume>): Pod => ({
  metadata: { name: "p", uid: "u" },
  spec: { containers: [], volumes: [{ name: "v", ...kind }] },
});

const onNodesNetwork = (pod: Pod): Pod => ({ ...pod, spec: { ...pod.spec, hostNetwork: true } });

test.each([
  ["an emptyDir counts", "pods/u/volumes/kubernetes.io~empty-dir/e", 1],
  ["a claim on the same disk does not", "disk/claim", 0],
])("a file without a name of %s", async (_what, directory, inodes) => {
  const source = path.join(rootDir, directory);
  const target = path.join(rootDir, "target");
  for (const each of [source, target]) await mkdir(each, { recursive: true });
  const script = 'mount --bind "$0" "$1"; exec 3> "$1/f"; rm "$1/f"; echo; exec sleep 1000';
  child = spawn("unshare", ["--mount", "sh", "-ec", script, source, target]);
  await once(child.stdout!, "data");
  expect(await unlinkedStorage(podOf({ emptyDir: {} }), paths(), [child.pid!])).toMatchObject({
    inodes,
  });
});

test("files without a name of a container's layer count, open or mapped", async () => {
  const layer = 'cd "$0"; mkdir lower upper work root; mount -t overlay -o "$1" overlay root';
  const files = "cd root; cp /bin/sleep program; exec 3> open; rm open; echo; exec ./program 1000";
  const script = `mount -t tmpfs none "$0"; ${layer}; ${files}`;
  const layers = "lowerdir=lower,upperdir=upper,workdir=work";
  child = spawn("unshare", ["--mount", "sh", "-ec", script, rootDir, layers]);
  await once(child.stdout!, "data");
  const { pid } = child;
  const program = `/proc/${pid}/root${rootDir}/root/program`;
  await expect.poll(() => readlinkSync(`/proc/${pid}/exe`)).toContain("program");
  rmSync(program);
  expect(await unlinkedStorage(podOf({ emptyDir: {} }), paths(), [pid!])).toMatchObject({
    inodes: 2,
  });
});

const claim = { persistentVolumeClaim: { claimName: "c" } };

test.each<[string, Pod, boolean]>([
  ["a pod with files of its own", podOf({ emptyDir: {} }), false],
  ["one with a claim, in which others may have a socket", podOf(claim), true],
  ["one on the node's network", onNodesNetwork(podOf({ emptyDir: {} })), true],
])("whoever reads mappings of %s may wait: another process", async (_what, pod, isAside) => {
  const asked = path.join(rootDir, "asked");
  await writeFile(path.join(rootDir, "find"), `#!/bin/sh\necho > ${asked}\nexec sleep 1000\n`, {
    mode: 0o755,
  });
  vi.stubEnv("PATH", `${rootDir}:${process.env["PATH"]}`);
  expect(await unlinkedStorage(pod, paths(), [process.pid])).toEqual(NOTHING);
  expect(existsSync(asked)).toBe(isAside);
});

test("the machine's mounts are read only for a pod that may have one of a server", async () => {
  let read = 0;
  const parsed: string[] = [];
  const server = `9 1 0:9 / ${rootDir}/pods/u/volumes/v rw - nfs4 server:/ rw`;
  const mounts = (path: string) => {
    read++;
    return mountsNaming(path, `9 1 0:9 / /elsewhere rw - nfs4 s:/ rw\n${server}\n`, (line) => {
      parsed.push(line);
      return parseMountInfoLine(line);
    });
  };
  await unlinkedStorage(podOf({ emptyDir: {} }), paths(), [process.pid], mounts);
  expect(read).toBe(0);
  const usage = await unlinkedStorage(podOf(claim), paths(), [process.pid], mounts);
  expect([read, usage, parsed]).toEqual([1, NOTHING, [server]]);
});

test("more descriptors and mappings than are looked at count as the whole disk", async () => {
  const usage = (looks_max: number) =>
    unlinkedStorage(podOf({ emptyDir: {} }), paths(), [process.pid], undefined, looks_max);
  expect(await usage(10)).toEqual(await wholeFileSystem(rootDir));
  expect(await usage(100_000)).toEqual(NOTHING);
});
