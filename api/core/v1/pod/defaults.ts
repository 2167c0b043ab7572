/** The defaults of a pod; templates of workloads get the `PodSpec` part. */
import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  Lifecycle,
  LifecycleHandler,
  ObjectFieldSelector,
  Pod,
  PodIP,
  PodSpec,
  PodStatus,
  Probe,
  PullPolicy,
  ResourceRequirements,
  Volume,
} from "../../../gen/core/v1.ts";
import { firstOfList } from "../first-of-list.ts";
import { defaultInTree } from "../in-tree-defaults.ts";
import { roundAmounts, roundResources } from "../round-amounts.ts";
import { type Amounts, containersAmounts, isPodLevelResource } from "./amounts.ts";
import { mayOvercommit } from "./validate-resources.ts";

const GRACE_PERIOD_S = 30;
const FILE_MODE = 0o644;
const TOKEN_LIFETIME_S = 3600;

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const HOST_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const HOST = `(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-fA-F:]+\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
/** Registry, path, tag and digest, as the distribution specification spells them. */
const REFERENCE = new RegExp(
  `^(?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*` +
    "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?$",
);
const REFERENCE_MAX = 255;

/** `Always` for an image whose tag is, or is taken to be, `latest`. */
export function pullPolicyOf(image: string): PullPolicy {
  if (!REFERENCE.test(image) || (image.split(/[:@]/)[0] ?? "").length > REFERENCE_MAX) {
    return "IfNotPresent";
  }
  const digest = image.includes("@");
  const name = image.split("@")[0] ?? "";
  const last = name.slice(name.lastIndexOf("/") + 1);
  const tag = last.includes(":") ? last.slice(last.indexOf(":") + 1) : undefined;
  return tag === "latest" || (tag === undefined && !digest) ? "Always" : "IfNotPresent";
}

function defaultProbe(probe: Probe | undefined): void {
  if (probe === undefined) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHandler(probe);
  if (probe.grpc !== undefined) probe.grpc.service ??= "";
}

function defaultHandler(handler: LifecycleHandler | undefined): void {
  const http = handler?.httpGet;
  if (http === undefined) return;
  http.path ||= "/";
  http.scheme ||= "HTTP";
}

function defaultLifecycle(lifecycle: Lifecycle | undefined): void {
  defaultHandler(lifecycle?.postStart);
  defaultHandler(lifecycle?.preStop);
}

function defaultPort(port: ContainerPort): void {
  port.protocol ||= "TCP";
}

function defaultFieldRef(selector: ObjectFieldSelector | undefined): void {
  if (selector !== undefined) selector.apiVersion ||= "v1";
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? "");
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  container.resources ??= {};
  roundResources(container.resources);
  container.ports?.forEach(defaultPort);
  container.env?.forEach((each) => defaultFieldRef(each.valueFrom?.fieldRef));
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultLifecycle(container.lifecycle);
}

const hasSource = (volume: Volume): boolean => Object.keys(volume).some((key) => key !== "name");

function defaultVolume(volume: Volume): void {
  if (!hasSource(volume)) volume.emptyDir = {};
  if (volume.secret !== undefined) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath !== undefined) volume.hostPath.type ??= "";
  if (volume.image !== undefined) {
    volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference ?? "");
  }
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    volume.downwardAPI.items?.forEach((each) => defaultFieldRef(each.fieldRef));
  }
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      source.downwardAPI?.items?.forEach((each) => defaultFieldRef(each.fieldRef));
      const token = source.serviceAccountToken;
      if (token !== undefined) token.expirationSeconds ??= TOKEN_LIFETIME_S;
    }
  }
  if (volume.ephemeral?.volumeClaimTemplate !== undefined) {
    const { spec } = volume.ephemeral.volumeClaimTemplate;
    spec.volumeMode ??= "Filesystem";
    roundResources(spec.resources);
  }
  defaultInTree(volume);
}

/** The defaults that pods and templates share. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= GRACE_PERIOD_S;
  spec.schedulerName ||= "default-scheduler";
  spec.containers ??= [];
  if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  roundAmounts(spec.overhead);
  roundResources(spec.resources);
  spec.volumes?.forEach(defaultVolume);
  spec.containers.forEach(defaultContainer);
  spec.initContainers?.forEach(defaultContainer);
  spec.ephemeralContainers?.forEach(defaultContainer);
}

/** A container's port is the host's port on the host's network. */
function hostPorts(container: Container): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

/** A limit without a request is its own request. */
function requestLimits(resources: ResourceRequirements | undefined): void {
  if (resources?.limits === undefined) return;
  resources.requests = { ...resources.limits, ...resources.requests };
}

/**
 * Sets the requests that a pod's spec leaves out, in place: a container's from its limits; the
 * pod's own, if it has limits, from its containers' requests, else from its limits. Its limit of
 * huge pages is that of its containers.
 */
export function defaultPodRequests(spec: PodSpec): void {
  const { containers, initContainers = [], resources } = spec;
  for (const each of [...containers, ...initContainers]) requestLimits(each.resources);
  if (!resources) return;
  const { requests = {}, limits = {} } = resources;
  if (Object.keys({ ...requests, ...limits }).length > 0) {
    fillIn(
      resources,
      "limits",
      containersAmounts(spec, "limits"),
      (name) => !mayOvercommit(name) && !Object.hasOwn(requests, name),
    );
  }
  if (Object.keys(resources.limits ?? {}).length === 0) return;
  fillIn(resources, "requests", containersAmounts(spec, "requests"), mayOvercommit);
  fillIn(resources, "requests", resources.limits ?? {}, () => true);
}

/** Adds the missing ones of those amounts that a pod may set. */
function fillIn(
  resources: ResourceRequirements,
  which: "requests" | "limits",
  amounts: Readonly<Amounts>,
  isWanted: (name: string) => boolean,
): void {
  const wanted = Object.entries(amounts).filter(
    ([name]) => isPodLevelResource(name) && isWanted(name),
  );
  if (wanted.length === 0) return;
  resources[which] = { ...Object.fromEntries(wanted), ...resources[which] };
}

/** The defaults of a pod. */
export function defaultPod(pod: Pod): void {
  defaultPodSpec(pod.spec);
  // Of pods alone: in a template a negative period stays, with a warning.
  if (pod.spec.terminationGracePeriodSeconds! < 0) pod.spec.terminationGracePeriodSeconds = 1;
  defaultPodRequests(pod.spec);
  pod.spec.enableServiceLinks ??= true;
  if (pod.spec.hostNetwork === true) {
    for (const each of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
      hostPorts(each);
  }
  if (pod.status !== undefined) alignAddresses(pod.status);
}

const ADDRESS = { read: ({ ip }: PodIP) => ip, make: (ip: string) => ({ ip }) };

function alignAddresses(status: PodStatus): void {
  const { first, list } = firstOfList(status.podIP, status.podIPs, ADDRESS);
  if (first !== undefined) status.podIP = first;
  if (list !== undefined) status.podIPs = list;
}
