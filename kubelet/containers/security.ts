import type { Container, Pod, SeccompProfile } from "@raft2kube/api/gen/core/v1.ts";
import { MASKED_PATHS, READONLY_PATHS } from "@raft2kube/linux/proc/confined-paths.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  SupplementalGroupsPolicy as GroupsPolicy,
  type LinuxContainerSecurityContext,
  type LinuxSandboxSecurityContext,
  NamespaceMode,
  type NamespaceOption,
  SecurityProfile_ProfileType as ProfileType,
  type SecurityProfile,
  type UserNamespace,
} from "@raft2kube/proto/gen/cri.ts";
import type { ImageUser } from "../images/ready-image.ts";
import { ContainerConfigError } from "./env.ts";

/** Returns the namespaces that the pod's containers share; `users` is its user namespace. */
export const namespaceOptions = (
  { spec }: Pod,
  users: Init<UserNamespace> | undefined,
): Init<NamespaceOption> => ({
  ...(users && { usernsOptions: users }),
  network: spec?.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
  ipc: spec?.hostIPC ? NamespaceMode.NODE : NamespaceMode.POD,
  pid: spec?.hostPID
    ? NamespaceMode.NODE
    : spec?.shareProcessNamespace
      ? NamespaceMode.POD
      : NamespaceMode.CONTAINER,
});

/** A debug container joins the pid namespace of its target, unless the pod's is shared anyway. */
function namespacesOf(
  pod: Pod,
  { targetId, users }: Pick<SecurityParts, "targetId" | "users">,
): Init<NamespaceOption> {
  const options = namespaceOptions(pod, users);
  if (targetId === undefined || options.pid !== NamespaceMode.CONTAINER) return options;
  return { ...options, pid: NamespaceMode.TARGET, targetId };
}

export function sandboxSecurity(
  pod: Pod,
  { root, users }: Pick<NodeSeccomp, "root"> & Pick<SecurityParts, "users">,
): Init<LinuxSandboxSecurityContext> {
  const security = pod.spec.securityContext;
  const privileged = [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])].some(
    (container) => container.securityContext?.privileged,
  );
  return {
    namespaceOptions: namespaceOptions(pod, users),
    privileged,
    seccomp: seccompProfile(security?.seccompProfile ?? { type: "RuntimeDefault" }, root),
    ...groupsOption(pod),
    ...(security?.runAsUser === undefined ? {} : { runAsUser: { value: security.runAsUser } }),
    ...(security?.runAsGroup === undefined || security.runAsUser === undefined
      ? {}
      : { runAsGroup: { value: security.runAsGroup } }),
  };
}

/** The node's configuration of seccomp profiles. */
export interface NodeSeccomp {
  /** Directory of Localhost profiles. */
  root: string;
  /** Whether containers without a profile get RuntimeDefault; else they are unconfined. */
  byDefault: boolean;
}

export interface SecurityParts {
  user: ImageUser;
  seccomp: NodeSeccomp;
  /** The container whose processes this one joins (`targetContainerName`). */
  targetId: string | undefined;
  /** The pod's user namespace; undefined when it has the node's. */
  users: Init<UserNamespace> | undefined;
}

/**
 * Returns the container's security context; its own fields override the pod's. Throws
 * ContainerConfigError when runAsNonRoot does not hold.
 */
export function containerSecurity(
  pod: Pod,
  container: Container,
  { user: image, seccomp, targetId, users }: SecurityParts,
): Init<LinuxContainerSecurityContext> {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const runAsUser = own.runAsUser ?? shared.runAsUser;
  const runAsGroup = own.runAsGroup ?? shared.runAsGroup;
  if (own.runAsNonRoot ?? shared.runAsNonRoot) checkNonRoot(runAsUser, image, container);
  const privileged = own.privileged ?? false;
  const unmasked = own.procMount === "Unmasked";
  if (unmasked && users === undefined) {
    throw new ContainerConfigError(
      `procMount ${own.procMount} needs a user namespace: set hostUsers: false ` +
        `(container: ${container.name})`,
    );
  }
  const nodeProfile = seccomp.byDefault ? ({ type: "RuntimeDefault" } as const) : undefined;
  const uid = runAsUser ?? image.uid;
  return {
    privileged,
    namespaceOptions: namespacesOf(pod, { targetId, users }),
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    ...groupsOption(pod),
    maskedPaths: privileged || unmasked ? [] : MASKED_PATHS,
    readonlyPaths: privileged || unmasked ? [] : READONLY_PATHS,
    seccomp: privileged
      ? { profileType: ProfileType.Unconfined }
      : seccompProfile(own.seccompProfile ?? shared.seccompProfile ?? nodeProfile, seccomp.root),
    ...(own.capabilities
      ? {
          capabilities: {
            addCapabilities: own.capabilities.add ?? [],
            dropCapabilities: own.capabilities.drop ?? [],
          },
        }
      : {}),
    ...(uid !== undefined ? { runAsUser: { value: uid } } : {}),
    ...(uid === undefined && image.username ? { runAsUsername: image.username } : {}),
    ...(runAsGroup !== undefined ? { runAsGroup: { value: runAsGroup } } : {}),
  };
}

/** Strict: the groups that the image's /etc/group gives its users are not added. */
function groupsOption(pod: Pod) {
  const strict = pod.spec.securityContext?.supplementalGroupsPolicy === "Strict";
  return {
    supplementalGroups: groupsOf(pod),
    supplementalGroupsPolicy: strict ? GroupsPolicy.Strict : GroupsPolicy.Merge,
  };
}

/** fsGroup and supplementalGroups: the groups every process of the pod has besides its own. */
export function groupsOf(pod: Pod): number[] {
  const security = pod.spec.securityContext;
  const groups = [...(security?.supplementalGroups ?? [])];
  if (security?.fsGroup !== undefined) groups.push(security.fsGroup);
  return [...new Set(groups)];
}

function checkNonRoot(runAsUser: number | undefined, image: ImageUser, container: Container): void {
  if (runAsUser === 0) {
    throw new ContainerConfigError(
      `container's runAsUser breaks non-root policy (container: ${container.name})`,
    );
  }
  if (runAsUser !== undefined) return;
  if (image.uid === 0 || (image.uid === undefined && image.username === "")) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image will run as root (container: ${container.name})`,
    );
  }
  if (image.uid === undefined) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot ` +
        `verify user is non-root (container: ${container.name})`,
    );
  }
}

/**
 * Returns the path below the directory of profiles. An empty path would confine nothing
 * (CVE-2023-2431); one outside of it could be a file that the pod wrote itself.
 */
function localProfile(path = ""): string {
  if (path !== "" && !path.startsWith("/") && !path.split("/").includes("..")) return path;
  throw new ContainerConfigError(
    `seccompProfile.localhostProfile ${JSON.stringify(path)} is not a path below the kubelet's ` +
      "folder of seccomp profiles",
  );
}

function seccompProfile(profile: SeccompProfile | undefined, root: string): Init<SecurityProfile> {
  switch (profile?.type) {
    case "RuntimeDefault":
      return { profileType: ProfileType.RuntimeDefault };
    case "Localhost":
      return {
        profileType: ProfileType.Localhost,
        localhostRef: `${root}/${localProfile(profile.localhostProfile)}`,
      };
    case "Unconfined":
    case undefined:
      return { profileType: ProfileType.Unconfined };
    default:
      throw new ContainerConfigError(`unknown seccompProfile type: ${profile?.type}`);
  }
}
