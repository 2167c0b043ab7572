// Takes one step towards a container, alone, and prints as JSON what is seen then.
// Arguments: the step's name, and its input as JSON.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cloneMount } from "@raft2kube/linux/mount/mount-tree.ts";
import { joinCgroup } from "@raft2kube/runtime/by-hand/cgroup.ts";
import { maskPaths, protectPaths } from "@raft2kube/runtime/by-hand/mounts.ts";
import { enterNamespaces } from "@raft2kube/runtime/by-hand/namespaces.ts";
import { dropPrivileges, ownPrivileges } from "@raft2kube/runtime/by-hand/privileges.ts";
import { enterRoot } from "@raft2kube/runtime/by-hand/root.ts";
import type { OciNamespace, OciProcess } from "@raft2kube/runtime/oci/spec.ts";
import { codeOf } from "@raft2kube/std/errors.ts";

const NAMESPACES = ["net", "uts", "ipc", "mnt"] as const;

/** The input of each step. */
export interface StepInputs {
  readonly namespaces: readonly OciNamespace[];
  readonly root: string;
  readonly masks: { readonly file: string; readonly folder: string; readonly absent: string };
  readonly readonly: { readonly folder: string; readonly absent: string };
  readonly cgroup: string;
  readonly privileges: OciProcess;
}

const steps: { [Name in keyof StepInputs]: (input: StepInputs[Name]) => unknown } = {
  namespaces(asked) {
    enterNamespaces(asked);
    return NAMESPACES.map((name) => readlinkSync(`/proc/thread-self/ns/${name}`));
  },
  root(rootfs) {
    enterRoot(rootfs);
    return { root: readdirSync("/"), cwd: readdirSync(".") };
  },
  masks({ file, folder, absent }) {
    const none = new Map();
    const masks = new Map([[file, cloneMount("/dev/null", { recursive: false })]]);
    const sources = { binds: none, kernels: none, cgroups: none, devices: none, masks };
    maskPaths([file, folder, absent], sources);
    const written = codeOfWrite(join(folder, "x"));
    return { file: readFileSync(file, "utf8"), folder: readdirSync(folder), written };
  },
  readonly({ folder, absent }) {
    protectPaths([folder, absent]);
    const written = ["", "beneath"].map((name) => codeOfWrite(join(folder, name, "x")));
    return { file: readFileSync(join(folder, "file"), "utf8"), written };
  },
  cgroup(group) {
    joinCgroup(group);
    return readFileSync("/proc/self/cgroup", "utf8");
  },
  privileges(described) {
    dropPrivileges(described, undefined, ownPrivileges());
    return readFileSync("/proc/thread-self/status", "utf8");
  },
};

/** Why a file cannot be made. */
function codeOfWrite(file: string): string {
  try {
    writeFileSync(file, "");
    return "written";
  } catch (thrown) {
    return codeOf(thrown) ?? "no code";
  }
}

const [name, input] = process.argv.slice(2) as [keyof StepInputs, string];
const step = steps[name] as (input: unknown) => unknown;
process.stdout.write(`${JSON.stringify(step(JSON.parse(input)))}\n`);
