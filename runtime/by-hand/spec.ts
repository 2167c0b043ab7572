import { readFileSync } from "node:fs";
import path from "node:path";
import type { OciProcess, OciSpec } from "../oci/spec.ts";
import { ByHandError } from "./error.ts";

/** Fields of a config.json that are implemented; another one is refused by its name. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  "": ["ociVersion", "process", "root", "hostname", "mounts", "linux", "annotations"],
  process: [
    "terminal",
    "consoleSize",
    "user",
    "args",
    "env",
    "cwd",
    "capabilities",
    "noNewPrivileges",
    "oomScoreAdj",
  ],
  root: ["path", "readonly"],
  linux: [
    "namespaces",
    "cgroupsPath",
    "resources",
    "devices",
    "sysctl",
    "seccomp",
    "maskedPaths",
    "readonlyPaths",
    "rootfsPropagation",
  ],
  "linux.resources": ["devices", "memory", "cpu", "pids", "unified"],
  "linux.resources.unified": ["memory.oom.group"],
  "linux.seccomp": ["defaultAction", "defaultErrnoRet", "architectures", "syscalls"],
};

const NAMESPACES = ["pid", "network", "ipc", "uts", "mount", "cgroup"];

/**
 * Reads a bundle's config.json. Throws ByHandError with the name of a field that is not
 * implemented.
 */
export function readBundle(bundle: string): OciSpec {
  const spec = JSON.parse(readFileSync(path.join(bundle, "config.json"), "utf8")) as OciSpec;
  refuseUnknown(spec);
  return spec;
}

/**
 * Throws for everything in a spec that is not implemented: a container never starts with less
 * isolation than was asked for.
 */
export function refuseUnknown(spec: OciSpec): void {
  for (const [place, known] of Object.entries(KNOWN)) {
    const value = place
      .split(".")
      .filter(Boolean)
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], spec);
    const unknown = Object.keys(value ?? {}).find((name) => !known.includes(name));
    if (unknown !== undefined) throw refused([place, unknown].filter(Boolean).join("."));
  }
  for (const { type } of spec.linux.namespaces) {
    if (!NAMESPACES.includes(type)) throw refused(`linux.namespaces: ${type}`);
  }
  if (!spec.linux.namespaces.some(({ type, path: at }) => type === "mount" && !at)) {
    throw refused("a container without a mount namespace of its own");
  }
  refuseTracing(spec.process);
  const propagation = spec.linux.rootfsPropagation ?? "private";
  if (propagation !== "private") throw refused(`linux.rootfsPropagation: ${propagation}`);
  for (const { destination, options } of spec.mounts) {
    const shared = options.find((option) => /^r?(shared|slave|unbindable)$/.test(option));
    if (shared) throw refused(`mount option ${shared} at ${destination}`);
    const inside = /^\/proc\/./.test(path.normalize(destination));
    if (inside) throw refused(`a mount inside /proc, at ${destination}`);
  }
}

/**
 * Throws for CAP_SYS_PTRACE: a container with it could take over a process of an exec, which is in
 * its pid namespace before it is contained.
 */
export function refuseTracing({ capabilities }: Pick<OciProcess, "capabilities">): void {
  if (!Object.values(capabilities).some((set) => set.includes("CAP_SYS_PTRACE"))) return;
  throw refused("CAP_SYS_PTRACE: the processes of an exec are seen before they are contained");
}

function refused(what: string): ByHandError {
  return new ByHandError("unimplemented", `by-hand does not implement ${what}`, {
    remedy: "run the pod without this runtime class",
  });
}
