/** The OCI runtime spec's config.json, the fields that we write (runtime-spec 1.0.2, config.md). */
export interface OciSpec {
  ociVersion: "1.0.2";
  process: OciProcess;
  root: { path: string; readonly: boolean };
  hostname?: string;
  mounts: OciMount[];
  linux: OciLinux;
  hooks?: OciHooks;
  annotations?: Readonly<Record<string, string>>;
}

/** A program of the machine that the OCI runtime runs before the container's process. */
export interface OciHook {
  path: string;
  args: string[];
  env?: string[];
  /** A time in seconds. */
  timeout?: number;
}

/** Hooks of the spec before the container's program, in their order. */
export const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer"] as const;

export type OciHooks = { [name in (typeof HOOKS)[number]]?: OciHook[] };

export interface OciProcess {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: OciUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: OciCapabilities;
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
  rlimits?: OciRlimit[];
}

export interface OciRlimit {
  /** `RLIMIT_NOFILE`. */
  type: string;
  soft: number;
  hard: number;
}

export type OciUser = { uid: number; gid: number; additionalGids: number[] };

export interface OciCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export type OciMount = { destination: string; source: string; type: string; options: string[] };

export type OciIdMapping = { containerID: number; hostID: number; size: number };

export interface OciNamespace {
  type: "pid" | "network" | "ipc" | "uts" | "mount" | "cgroup" | "user";
  /** Join this one; absent: a new one. */
  path?: string;
}

export interface OciDevice {
  path: string;
  type: "c" | "b";
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

export interface OciDeviceRule {
  allow: boolean;
  type?: "a" | "b" | "c";
  major?: number;
  minor?: number;
  access: string;
}

export interface OciLinux {
  namespaces: OciNamespace[];
  /** A container that joins a user namespace has its mappings too. */
  uidMappings?: OciIdMapping[];
  gidMappings?: OciIdMapping[];
  /** The cgroup's path; absent where there are no cgroups. */
  cgroupsPath?: string;
  resources: OciResources;
  devices?: OciDevice[];
  sysctl?: Record<string, string>;
  seccomp?: OciSeccomp;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  rootfsPropagation?: "private" | "slave" | "shared";
}

export interface OciResources {
  devices?: OciDeviceRule[];
  memory?: { limit?: number; swap?: number };
  cpu?: { shares?: number; quota?: number; period?: number; cpus?: string; mems?: string };
  pids?: { limit: number };
  blockIO?: OciBlockIo;
  unified?: Record<string, string>;
}

/** Limits of block devices: shares (10 to 1000), and bytes or operations a second. */
export interface OciBlockIo {
  weight?: number;
  weightDevice?: { major: number; minor: number; weight: number }[];
  throttleReadBpsDevice?: OciThrottle[];
  throttleWriteBpsDevice?: OciThrottle[];
  throttleReadIOPSDevice?: OciThrottle[];
  throttleWriteIOPSDevice?: OciThrottle[];
}

export type OciThrottle = { major: number; minor: number; rate: number };

export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls: {
    names: string[];
    action: string;
    errnoRet?: number;
    args?: { index: number; value: number; valueTwo?: number; op: string }[];
  }[];
}
