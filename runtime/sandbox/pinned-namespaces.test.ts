import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  type CreateContainerRequest,
  PodSandboxConfig,
  PodSandboxState,
} from "@raft2kube/proto/gen/cri.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { killed } from "../../testing/killed.ts";
import { createContainer } from "../container/create.ts";
import { runtimePaths } from "../paths.ts";
import { identify, type ProcessIdentity } from "../process-identity.ts";
import { unmountSandboxFiles } from "./files.ts";
import { makeNamespaces } from "./pause.ts";
import { pinNamespaces, pinnedNamespace, pinOf, unpinNamespaces } from "./pinned-namespaces.ts";
import type { SandboxRecord } from "./record.ts";
import { updateSandboxResources } from "./resources.ts";
import { resumeSandbox } from "./run.ts";
import { sandboxState } from "./status.ts";

let folder: string;
let paths: { namespaces: string };
let child: ChildProcess;
let owner: ProcessIdentity;

beforeEach(async () => {
  folder = testFolder("r2k-pinned-");
  paths = { namespaces: path.join(folder, "namespaces") };
  child = spawn("unshare", ["--uts", "--ipc", "sh", "-c", "echo ready; exec cat"]);
  await once(child.stdout!, "data");
  owner = identify(child.pid!)!;
});

afterEach(async () => {
  await end();
  unpinNamespaces(paths);
});

async function end(): Promise<void> {
  await killed(child);
}

const inodeOf = (file: string) => statSync(file, { bigint: true }).ino;

test("pinned namespaces are those of the process, also after its end", async () => {
  const own = inodeOf(`/proc/${owner.pid}/ns/uts`);
  expect(own).not.toBe(inodeOf("/proc/self/ns/uts"));
  pinNamespaces(paths, owner);
  await end();
  pinNamespaces(paths, owner);
  expect(inodeOf(pinnedNamespace(paths, "uts"))).toBe(own);
  unpinNamespaces(paths);
  unpinNamespaces(paths);
  expect(inodeOf(pinnedNamespace(paths, "uts"))).not.toBe(own);
});

test("no container is created in a sandbox whose first process, and so its namespaces, have ended", async () => {
  const sandbox = { id: "s", state: "ready", pause: { ...owner, startTicks: "1" } };
  const runtime = {
    paths: runtimePaths(folder, folder),
    turns: { run: (_: string, turn: () => Promise<string>) => turn() },
    sandboxes: { get: () => sandbox },
    containers: { values: () => [] },
  } as unknown as Parameters<typeof createContainer>[0];
  const request = { podSandboxId: "s", config: { metadata: { name: "a" } } };
  await expect(createContainer(runtime, request as CreateContainerRequest)).rejects.toThrow(
    "the namespaces of sandbox s are gone",
  );
});

test("a sandbox whose first process has ended takes no resources", async () => {
  const ended = { ...owner, startTicks: "1" };
  const record = { id: "s", state: "ready", pause: ended, config: { linux: {} } };
  const put: unknown[] = [];
  const runtime = {
    turns: { run: (_: string, turn: () => Promise<void>) => turn() },
    sandboxes: { get: () => record, put: async (next: unknown) => put.push(next) },
  } as unknown as Parameters<typeof updateSandboxResources>[0];
  await expect(updateSandboxResources(runtime, "s", {})).rejects.toThrow("sandbox s is not ready");
  expect(put).toEqual([]);
});

test("another process with the pid is not the sandbox's: nothing of it is pinned", () => {
  const earlier = { pid: owner.pid, startTicks: `${BigInt(owner.startTicks) - 1n}` };
  expect(() => pinNamespaces(paths, earlier)).toThrow(/namespace has ended/);
  const target = path.join(folder, "target-pid");
  expect(() => pinOf(earlier, "pid", target)).toThrow(/the process of the pid namespace/);
  expect(existsSync(target)).toBe(false);
});

/** The record of a sandbox `s` without a first process. */
function pinnedRecord(config: PodSandboxConfig): SandboxRecord {
  const { namespaces: pins, netns } = runtimePaths(folder, folder).sandbox("s");
  const known = { id: "s", config, runtimeHandler: "", createdAt_ms: 0, cgroup: "" };
  return { ...known, state: "ready", ips: ["10.0.0.1"], pins, netns };
}

test("a sandbox whose namespaces ended with the machine has others once it is resumed", async () => {
  const config = PodSandboxConfig.decode(PodSandboxConfig.encode({ hostname: "by-hand" }));
  const paths = runtimePaths(folder, folder);
  const sandbox = paths.sandbox("s");
  let record = pinnedRecord(config);
  const attached: string[] = [];
  const runtime = {
    paths,
    turns: { run: (_: string, turn: () => Promise<void>) => turn() },
    sandboxes: { get: () => record, put: async (next: SandboxRecord) => void (record = next) },
    containers: { values: () => [] },
    oci: { ofSandbox: () => ({ delete: async () => undefined }) },
    cgroups: { remove: async () => undefined },
    network: {
      detach: async () => undefined,
      attach: async (_: SandboxRecord, netns: string) => {
        attached.push(netns);
        return { ips: ["10.0.0.2"] };
      },
    },
  } as unknown as Parameters<typeof resumeSandbox>[0];
  using _undone = {
    [Symbol.dispose]() {
      unmountSandboxFiles(sandbox);
      deleteNetns(sandbox.netns);
    },
  };
  makeNamespaces(sandbox, record);
  await resumeSandbox(runtime, "s");
  expect([attached, record.ips]).toEqual([[], ["10.0.0.1"]]);
  // A reboot: the record is left, and of the pins their files at most.
  unpinNamespaces(sandbox);
  deleteNetns(sandbox.netns);
  expect(sandboxState(record)).toBe(PodSandboxState.SANDBOX_NOTREADY);
  await resumeSandbox(runtime, "s");
  expect([attached, record.ips]).toEqual([[sandbox.netns], ["10.0.0.2"]]);
  expect(sandboxState(record)).toBe(PodSandboxState.SANDBOX_READY);
  const inside = [`--uts=${pinnedNamespace(sandbox, "uts")}`, `--net=${sandbox.netns}`, "hostname"];
  expect(execFileSync("nsenter", inside, { encoding: "utf8" })).toBe("by-hand\n");
});

test("a sandbox without a first process is ready while its namespaces are pinned", async () => {
  const config = PodSandboxConfig.decode(
    PodSandboxConfig.encode({
      hostname: "by-hand",
      linux: { sysctls: { "kernel.shmmax": "4096", "net.ipv4.ip_local_port_range": "2000\t3000" } },
    }),
  );
  const sandbox = runtimePaths(folder, folder).sandbox("s");
  const record = pinnedRecord(config);
  expect(sandboxState(record)).toBe(PodSandboxState.SANDBOX_NOTREADY);
  const here = hostname();
  makeNamespaces(sandbox, record);
  const enter = ["uts", "ipc"].map((type) => `--${type}=${path.join(sandbox.namespaces, type)}`);
  const show = "hostname; cat kernel/shmmax net/ipv4/ip_local_port_range";
  const inside = [...enter, `--net=${sandbox.netns}`, "sh", "-c", `cd /proc/sys; ${show}`];
  const said = execFileSync("nsenter", inside, { encoding: "utf8" });
  expect(said.split("\n")).toEqual(["by-hand", "4096", "2000\t3000", ""]);
  expect(hostname()).toBe(here);
  expect(sandboxState(record)).toBe(PodSandboxState.SANDBOX_READY);
  expect(sandboxState({ ...record, state: "notready" })).toBe(PodSandboxState.SANDBOX_NOTREADY);
  makeNamespaces(sandbox, record);
  unpinNamespaces(sandbox);
  deleteNetns(sandbox.netns);
  expect(sandboxState(record)).toBe(PodSandboxState.SANDBOX_NOTREADY);
});
