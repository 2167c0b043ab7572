import { isMapped } from "@raft2kube/linux/namespace/user-namespace.ts";
import { type ContainerConfig, NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { StoredImage } from "../image/store.ts";
import { capabilitySets } from "../oci/capabilities.ts";
import { blockIoOf, devicesFor } from "../oci/devices.ts";
import {
  combineMounts,
  kernelMounts,
  rootPropagation,
  sandboxMounts,
  TERMINAL_GROUP,
  volumeMounts,
} from "../oci/mounts.ts";
import { containerIds, idMappings, rootPath, sandboxIds, withPodIds } from "../oci/pod-ids.ts";
import { cgroupOf, clampOomScore, resourcesFor } from "../oci/resources.ts";
import { seccompFor } from "../oci/seccomp.ts";
import type { OciLinux, OciMount, OciProcess, OciSpec, OciUser } from "../oci/spec.ts";
import type { Base, Machine, Records } from "../ports.ts";
import { hostnameOf } from "../sandbox/files.ts";
import type { SandboxRecord } from "../sandbox/record.ts";
import type { CdiEdits } from "./cdi.ts";
import { commandLine, environment } from "./command-line.ts";
import { containerNamespaces } from "./namespaces.ts";
import type { OciExtras } from "./record.ts";

export interface SpecInput {
  id: string;
  sandbox: SandboxRecord;
  config: ContainerConfig;
  image: StoredImage;
  user: OciUser;
  /** The user's directory by the image's /etc/passwd; empty when that has none. */
  home: string;
  cgroup: string;
  extras?: OciExtras;
  cdi: CdiEdits;
}

function refuseUnsupported(config: ContainerConfig): void {
  if (config.windows) throw new RuntimeError("unimplemented", "Windows containers");
  const profile = config.linux?.securityContext?.apparmor;
  if (profile?.localhostRef) {
    const message = `AppArmor profile ${profile.localhostRef}: AppArmor is not supported`;
    throw new RuntimeError("unimplemented", message);
  }
}

function processOf(runtime: Machine, input: SpecInput): OciProcess {
  const { image, home, sandbox, cdi } = input;
  const config = { ...input.config, envs: [...input.config.envs, ...cdi.envs] };
  const user = { ...input.user, additionalGids: [...input.user.additionalGids, ...cdi.groups] };
  const context = config.linux?.securityContext;
  const defaults = image.config.config ?? {};
  const oomScoreAdj = config.linux?.resources?.oomScoreAdj ?? 0;
  return {
    terminal: config.tty,
    user,
    args: commandLine(config, defaults),
    env: environment(config, defaults, { hostname: hostnameOf(sandbox.config), home }),
    cwd: config.workingDir || defaults.WorkingDir || "/",
    capabilities: capabilitySets(context?.capabilities, {
      privileged: context?.privileged ?? false,
      root: user.uid === 0,
      own: runtime.ownCapabilities,
    }),
    noNewPrivileges: context?.noNewPrivs ?? false,
    oomScoreAdj: clampOomScore(oomScoreAdj, runtime.ownCapabilities),
    ...(input.extras?.rlimits && { rlimits: input.extras.rlimits }),
  };
}

function mountsOf(runtime: Base & Machine, input: SpecInput): OciMount[] {
  const { config, sandbox } = input;
  const context = config.linux?.securityContext;
  const paths = runtime.paths.sandbox(sandbox.id);
  const ids = sandboxIds(sandbox.config);
  const hostIpc = context?.namespaceOptions?.ipc === NamespaceMode.NODE;
  const base = [
    ...kernelMounts({
      privileged: context?.privileged ?? false,
      cgroups: runtime.cgroups.version !== "none",
      terminalGroup: isMapped(containerIds(runtime, ids).groups, TERMINAL_GROUP),
    }),
    ...sandboxMounts(
      { ...paths, shm: hostIpc ? "/dev/shm" : paths.shm },
      { readonly: context?.readonlyRootfs ?? false },
    ).map((mount) => withPodIds(mount, ids)),
  ];
  const volumes = combineMounts(base, volumeMounts(config.mounts, ids));
  return combineMounts(volumes, [...input.cdi.mounts, ...(input.extras?.mounts ?? [])]);
}

function linuxOf(
  runtime: Base & Records & Machine,
  input: SpecInput,
  process: OciProcess,
): OciLinux {
  const { config, cgroup, sandbox } = input;
  const context = config.linux?.securityContext;
  const privileged = context?.privileged ?? false;
  const ids = sandboxIds(sandbox.config);
  const { uid, gid } = process.user;
  // As OCI runtimes and CDI's library have a node that names none.
  const defaults = { fileMode: 0o666, uid, gid };
  const named = input.cdi.devices.map((one) => ({ ...one, node: { ...defaults, ...one.node } }));
  const { devices, rules } = devicesFor([...config.devices, ...named], {
    privileged,
    hasOwnIds: ids !== undefined,
  });
  const limits = resourcesFor(config.linux?.resources, {
    cgroupVersion: runtime.cgroups.version,
    deviceRules: rules,
    fresh: true,
  });
  if (input.extras?.pids !== undefined && runtime.cgroups.version !== "none") {
    limits.pids = { limit: input.extras.pids };
  }
  if (input.extras?.blockIo && runtime.cgroups.version !== "none") {
    limits.blockIO = blockIoOf(input.extras.blockIo);
  }
  const seccomp = seccompFor(context?.seccomp, {
    privileged,
    capabilities: process.capabilities.bounding,
  });
  return {
    namespaces: containerNamespaces(runtime, { id: input.id, sandbox, config }),
    ...idMappings(ids),
    ...cgroupOf(runtime, cgroup, limits),
    ...(devices.length > 0 && { devices }),
    ...(seccomp && { seccomp }),
    maskedPaths: privileged ? [] : (context?.maskedPaths ?? []),
    readonlyPaths: privileged ? [] : (context?.readonlyPaths ?? []),
    rootfsPropagation: rootPropagation(config.mounts),
  };
}

/**
 * Returns the config.json of a container. Annotations of the pod are never in it, those of
 * containers made by hand are: OCI runtimes act on annotations (CVE-2022-0811).
 */
export function containerSpec(runtime: Base & Records & Machine, input: SpecInput): OciSpec {
  refuseUnsupported(input.config);
  const process = processOf(runtime, input);
  const { annotations } = input.extras ?? {};
  const { runtimeHandler, config } = input.sandbox;
  // It joins no namespace that has one.
  const hostname = runtimeHandler === "runsc" ? hostnameOf(config) : "";
  const { hooks } = input.cdi;
  return {
    ociVersion: "1.0.2",
    process,
    root: {
      path: rootPath(runtime.paths.container(input.id).rootfs, sandboxIds(input.sandbox.config)),
      readonly: input.config.linux?.securityContext?.readonlyRootfs ?? false,
    },
    ...(hostname && { hostname }),
    mounts: mountsOf(runtime, input),
    linux: linuxOf(runtime, input, process),
    ...(Object.keys(hooks).length > 0 && { hooks }),
    ...(annotations && { annotations }),
  };
}
