import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createNetns } from "@raft2kube/linux/namespace/netns.ts";
import { isMapped } from "@raft2kube/linux/namespace/user-namespace.ts";
import { MASKED_PATHS, READONLY_PATHS } from "@raft2kube/linux/proc/confined-paths.ts";
import { limitDevicesBeside } from "@raft2kube/runtime/by-hand/cgroup.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import { capabilitySets } from "@raft2kube/runtime/oci/capabilities.ts";
import { devicesFor } from "@raft2kube/runtime/oci/devices.ts";
import { combineMounts, kernelMounts, TERMINAL_GROUP } from "@raft2kube/runtime/oci/mounts.ts";
import { clampOomScore } from "@raft2kube/runtime/oci/resources.ts";
import { defaultProfile } from "@raft2kube/runtime/oci/seccomp.ts";
import type { OciMount, OciNamespace, OciSpec } from "@raft2kube/runtime/oci/spec.ts";
import { homeOf, resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { RUN_TIMEOUT_MS } from "../limits.ts";
import { type Builder, STEP } from "./builder.ts";
import { runToEnd } from "./run-to-end.ts";

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Exit code of a program that SIGKILL has ended. */
const KILLED_CODE = 137;
/** Words of programs whose fork(2) failed. */
const FORK_FAILED = /can(no|')t fork|fork: .*resource temporarily unavailable/i;

/** The place of a here-document that names its interpreter. */
export const SCRIPT = "/dev/pipes/script";

/** A command to run in the root of a step. */
export interface RunStep {
  args: readonly string[];
  /** The content of SCRIPT. */
  script: string | undefined;
  env: ReadonlyMap<string, string>;
  defaults: ImageDefaults;
  mounts: readonly OciMount[];
  /** `none`, `host`, or a network of containers. */
  network: string;
}

const bind = (destination: string, source: string, access: "ro" | "rw" = "rw"): OciMount => {
  return { destination, source, type: "bind", options: ["rbind", "rprivate", access] };
};

function environmentOf(step: RunStep, home: string): string[] {
  const all = new Map([["PATH", DEFAULT_PATH], ["HOME", home || "/"], ...step.env]);
  return [...all].map(([name, value]) => `${name}=${value}`);
}

function specOf(
  builder: Builder,
  rootfs: string,
  step: RunStep,
  place: { files: string; script: string; netns: string | undefined; cgroup: string },
): OciSpec {
  const { defaults } = step;
  const { machine } = builder;
  const user = resolveUser(rootfs, defaults.User ?? "");
  const capabilities = capabilitySets(
    {},
    { privileged: false, root: user.uid === 0, own: machine.ownCapabilities },
  );
  const hasCgroups = machine.cgroups.version !== "none";
  const terminalGroup = isMapped(machine.ids.groups, TERMINAL_GROUP);
  const base = [
    ...kernelMounts({ privileged: false, cgroups: hasCgroups, terminalGroup }),
    bind("/etc/resolv.conf", path.join(place.files, "resolv.conf")),
    bind("/etc/hosts", path.join(place.files, "hosts")),
  ];
  const scripts = step.script === undefined ? [] : [bind(SCRIPT, place.script, "ro")];
  const kinds = ["mount", "uts", "ipc", "pid"] as const;
  const namespaces: OciNamespace[] = kinds.map((type) => ({ type }));
  if (machine.cgroups.version === 2) namespaces.push({ type: "cgroup" });
  if (step.network !== "host") {
    namespaces.push({ type: "network", ...(place.netns !== undefined && { path: place.netns }) });
  }
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user,
      args: [...step.args],
      env: environmentOf(step, homeOf(rootfs, user.uid)),
      cwd: defaults.WorkingDir || "/",
      capabilities,
      noNewPrivileges: false,
      oomScoreAdj: clampOomScore(0, machine.ownCapabilities),
    },
    root: { path: rootfs, readonly: false },
    hostname: "build",
    mounts: combineMounts(base, [...step.mounts, ...scripts]),
    linux: {
      namespaces,
      ...(hasCgroups && { cgroupsPath: place.cgroup }),
      resources: hasCgroups
        ? {
            devices: devicesFor([], { privileged: false }).rules,
            pids: { limit: builder.limits.pids },
            memory: { limit: builder.limits.memory_bytes },
          }
        : {},
      seccomp: defaultProfile(capabilities.bounding),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

/** Runs a command in a root that is mounted. Throws when it fails, or takes too long. */
export async function runInside(
  builder: Builder,
  rootfs: string,
  step: RunStep,
  output: (chunk: Buffer) => void,
): Promise<void> {
  const { host } = builder;
  const id = `${STEP}${path.basename(path.dirname(rootfs))}`;
  const bundle = path.join(builder.state, id);
  const files = path.join(bundle, "files");
  await mkdir(files, { recursive: true, mode: 0o711 });
  await writeFile(
    path.join(files, "hosts"),
    "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tbuild\n",
  );
  const servers = step.network === "none" ? "" : await readFile("/etc/resolv.conf");
  await writeFile(path.join(files, "resolv.conf"), servers);
  // On the disk of the images: state may lie where nothing is executed.
  const script = path.join(builder.work, `${id}.script`);
  if (step.script !== undefined) await writeFile(script, step.script, { mode: 0o755 });
  const isAttached = step.network !== "none" && step.network !== "host";
  const netns = isAttached ? path.join(bundle, "netns") : undefined;
  const cgroup = builder.cgroupOf(id);
  const { memory_bytes, pids } = builder.limits;
  let hasFailedToFork = false;
  try {
    if (netns !== undefined) {
      await writeFile(path.join(bundle, "network"), step.network);
      createNetns(netns);
      await builder.attach(id, netns, step.network);
    }
    // Whole, before a command that ends removes the group above it as one that is empty.
    builder.machine.cgroups.create(cgroup);
    const spec = specOf(builder, rootfs, step, { files, script, netns, cgroup });
    const { devices } = spec.linux.resources;
    if (devices) {
      const { cgroupsPath, createRuntime } = limitDevicesBeside(cgroup, devices);
      spec.linux.cgroupsPath = cgroupsPath;
      spec.hooks = { createRuntime };
    }
    await writeFile(path.join(bundle, "config.json"), JSON.stringify(spec), { mode: 0o600 });
    await runToEnd(host.crun, [...builder.oci, "run", "--bundle", bundle, id], {
      clock: host.clock,
      timeout_ms: RUN_TIMEOUT_MS,
      signal: builder.signal,
      output: (chunk) => {
        hasFailedToFork ||= FORK_FAILED.test(chunk.toString("latin1"));
        output(chunk);
      },
      reason: (code) =>
        code === KILLED_CODE
          ? `: killed, as one is that uses more memory than ${memory_bytes} bytes (build -m)`
          : hasFailedToFork
            ? `: it may have no more than ${pids} processes (build --pids-limit)`
            : "",
    });
  } finally {
    await builder.endStep(id);
  }
}
