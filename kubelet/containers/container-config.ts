import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { Mount, UserNamespace } from "@raft2kube/proto/gen/cri.ts";
import { type ContainerConfig, Signal } from "@raft2kube/proto/gen/cri.ts";
import { CONTAINER_NAME_LABEL, HASH_ANNOTATION } from "../cri/observe.ts";
import { RUN_ANNOTATION } from "../cri/pod-run.ts";
import type { DeviceAllocation } from "../devices/device-allocation.ts";
import type { ReadyImage } from "../images/ready-image.ts";
import { podLabels } from "../pods/pod-labels.ts";
import { containerLogPath } from "../pods/pod-paths.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import { containerHash } from "./container-hash.ts";
import { ContainerConfigError } from "./env.ts";
import { ExpansionBudget, expand } from "./expand.ts";
import { volumeDevices } from "./mounts.ts";
import { containerLinuxResources, type NodeMemory } from "./resources.ts";
import { containerSecurity, type NodeSeccomp } from "./security.ts";

/** Annotations that a restarted kubelet reads (upstream's names). */
const RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount";
export const TERMINATION_FILE_ANNOTATION = "r2k.io/termination-file";
export const TERMINATION_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy";
export const GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod";

export interface ContainerParts {
  attempt: number;
  /** The pod's run (`podRun`). */
  run: number;
  image: ReadyImage;
  env: ReadonlyMap<string, string>;
  mounts: Init<Mount>[];
  volumes: ReadonlyMap<string, ReadyVolume>;
  devices: DeviceAllocation;
  /** The host's file for terminationMessagePath. */
  terminationLog: string;
  seccomp: NodeSeccomp;
  /** The running container that a debug container joins. */
  targetId: string | undefined;
  /** The pod's user namespace, by whose ids its volumes are mounted. */
  users: Init<UserNamespace> | undefined;
  node: NodeMemory;
}

/**
 * Returns the CRI configuration of one container. Throws ContainerConfigError, and RangeError for a
 * command line longer than the container's part of EXPANDED_OF_POD_BYTES_MAX.
 */
export function containerConfig(
  pod: Pod,
  container: Container,
  parts: ContainerParts,
): Init<ContainerConfig> {
  const { attempt, run, image, env, devices } = parts;
  const lookup = (name: string) => env.get(name);
  const budget = new ExpansionBudget(pod);
  return {
    metadata: { name: container.name, attempt },
    image: { image: image.imageRef, userSpecifiedImage: container.image ?? "" },
    command: (container.command ?? []).map((argument) => expand(argument, lookup, budget)),
    args: (container.args ?? []).map((argument) => expand(argument, lookup, budget)),
    workingDir: container.workingDir ?? "",
    envs: [
      ...[...env].map(([key, value]) => ({ key, value })),
      ...devices.envs.filter(({ key }) => !env.has(key)),
    ],
    mounts: [...parts.mounts, ...devices.mounts].map((mount) => ({
      ...mount,
      ...mappingsOf(mount, parts.users),
    })),
    devices: [...volumeDevices(container, parts.volumes), ...devices.devices],
    CDIDevices: devices.cdiDevices,
    labels: { ...podLabels(pod), [CONTAINER_NAME_LABEL]: container.name },
    annotations: {
      ...devices.annotations,
      [HASH_ANNOTATION]: containerHash(container),
      [RESTART_COUNT_ANNOTATION]: String(attempt),
      ...(run > 0 && { [RUN_ANNOTATION]: String(run) }),
      [TERMINATION_FILE_ANNOTATION]: parts.terminationLog,
      [TERMINATION_POLICY_ANNOTATION]: container.terminationMessagePolicy ?? "File",
      [GRACE_ANNOTATION]: String(pod.spec.terminationGracePeriodSeconds ?? 30),
    },
    logPath: containerLogPath(container.name, attempt),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: containerLinuxResources(pod, container, parts.node),
      securityContext: containerSecurity(pod, container, { ...parts, user: image.user }),
    },
    stopSignal: stopSignal(container),
  };
}

/** An image's files are shown by the pod's ids regardless. */
function mappingsOf(
  { image }: Init<Mount>,
  users: Init<UserNamespace> | undefined,
): Pick<Init<Mount>, "uidMappings" | "gidMappings"> {
  if (users === undefined || image !== undefined) return {};
  return { uidMappings: users.uids, gidMappings: users.gids };
}

function stopSignal(container: Container): Signal {
  const name = container.lifecycle?.stopSignal;
  if (!name) return Signal.RUNTIME_DEFAULT;
  const signal = Signal[name as keyof typeof Signal];
  if (signal === undefined) throw new ContainerConfigError(`unknown stopSignal ${name}`);
  return signal;
}
