import type { Pod, Service, ServicePort } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { formatLabelTerms, matchesMap, termsOfMap } from "@raft2kube/api/selector.ts";
import { isPodActive, isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { counted, type Explanation, listed, waiting, well, wrong } from "./explanation.ts";

/** Facts that explain a Service; the pods are all of its namespace. */
export interface ServiceFacts {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly slices: readonly EndpointSlice[];
  /** The explanation of the first of its pods that has not ended. */
  readonly why?: Explanation | undefined;
}

/** Explains why a Service answers or does not. */
export function explainService(facts: ServiceFacts): Explanation {
  const { service, slices } = facts;
  const { name } = service.metadata;
  const { type, externalName, selector } = service.spec;
  if (type === "ExternalName") {
    return well(`Service ${name} is a DNS alias (CNAME) of ${externalName}: it has no endpoints`);
  }
  const ready = readyEndpoints(slices).flatMap(({ addresses }) => addresses);
  if (!selector || Object.keys(selector).length === 0) {
    return ready.length > 0
      ? answering(service, ready)
      : wrong(
          `Service ${name} has no selector and no EndpointSlice with a ready address`,
          "set spec.selector, or write an EndpointSlice with the label " +
            `kubernetes.io/service-name=${name}`,
        );
  }
  return explainSelected(facts, selector, ready);
}

function explainSelected(
  { service, pods, slices, why }: ServiceFacts,
  selector: Readonly<Record<string, string>>,
  ready: readonly string[],
): Explanation {
  const { name, namespace } = service.metadata;
  const text = selectorText(selector);
  const matching = pods.filter((pod) => selects(service, pod));
  if (matching.length === 0) {
    if (ready.length > 0) return answering(service, ready);
    const none = `no pod of namespace ${namespace} has the labels ${text} of its selector`;
    return wrong(`Service ${name} has no answer: ${none}`, nearest(service, pods, selector));
  }
  if (ready.length > 0) return explainPorts(service, matching, slices) ?? answering(service, ready);
  const live = matching.filter(isPodActive);
  if (live.length === 0) {
    return wrong(
      `Service ${name} has no answer: its ${counted(matching.length, "pod")} ended`,
      "let a Deployment run them: it replaces pods that end",
    );
  }
  const isReady = live.filter(isPodReady);
  if (isReady.length === 0 && why) {
    const many =
      live.length === 1 ? "its only pod is not ready" : `none of its ${live.length} pods is ready`;
    const sentence = `Service ${name} has no answer: ${many}: ${why.sentence}`;
    return { ...why, sentence, remedy: why.remedy ?? "wait until it is ready" };
  }
  return (
    explainPorts(service, isReady, slices) ??
    waiting(
      `Service ${name} has ready pods, but no EndpointSlice names them yet`,
      "if it stays so, check that the controllers run: r2k status",
    )
  );
}

/** A port whose name no container has leads nowhere. */
function explainPorts(
  { metadata: { name }, spec }: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
): Explanation | undefined {
  const served = new Set(
    readyEndpoints(slices).flatMap(({ ports }) => ports.map((port) => port.name ?? "")),
  );
  const dead = (spec.ports ?? []).find(
    (port) => typeof port.targetPort === "string" && !served.has(port.name ?? ""),
  );
  if (!dead) return undefined;
  const ports = pods.flatMap(({ spec: { containers } }) =>
    containers.flatMap((each) => each.ports ?? []),
  );
  const names = new Set(ports.flatMap((port) => port.name ?? []));
  const known = names.size > 0 ? `use one of ${listed([...names])}` : "use a number";
  return wrong(
    `Service ${name} has no answer on port ${dead.port}: no container of its pods has ` +
      `a port named ${dead.targetPort}`,
    `${known} in spec.ports[].targetPort, or name the port`,
  );
}

function answering({ metadata, spec }: Service, ready: readonly string[]): Explanation {
  const ports = (spec.ports ?? []).map(portText);
  const { name } = metadata;
  const isHeadless = spec.clusterIP === "None";
  const where = isHeadless
    ? "by its DNS name, with the pods' own addresses"
    : `at ${spec.clusterIP}, port ${listed(ports)}`;
  const sentence = `Service ${name} answers ${where}, from ${counted(ready.length, "endpoint")}`;
  return spec.externalTrafficPolicy === "Local"
    ? well(`${sentence}; from outside only on nodes that run one (externalTrafficPolicy: Local)`)
    : well(sentence);
}

function portText({ port, targetPort = port, protocol = "TCP", nodePort }: ServicePort): string {
  const to = targetPort === port ? "" : ` to ${targetPort}`;
  return `${port}/${protocol}${to}${nodePort ? ` and ${nodePort} of each node` : ""}`;
}

/** Endpoints that traffic goes to, with the ports of their slices; a headless Service's too. */
export const readyEndpoints = (slices: readonly EndpointSlice[]) =>
  slices.flatMap(({ endpoints, ports }) =>
    (endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .map((endpoint) => ({ ...endpoint, ports: ports ?? [] })),
  );

/** The pod that matches most of the selector, with the label that would have to change. */
function nearest(
  service: Service,
  pods: readonly Pod[],
  selector: Readonly<Record<string, string>>,
): string {
  const { namespace, name } = service.metadata;
  let best: { pod: Pod; wrong: string[] } | undefined;
  for (const pod of pods) {
    const keys = Object.keys(selector);
    const off = keys.filter((key) => pod.metadata.labels?.[key] !== selector[key]);
    const isNear = off.length < keys.length || keys.some((key) => pod.metadata.labels?.[key]);
    if (isNear && off.length < (best?.wrong.length ?? Infinity)) best = { pod, wrong: off };
  }
  if (!best) return `start pods with these labels in namespace ${namespace}`;
  const { labels = {}, name: pod } = best.pod.metadata;
  const key = best.wrong[0]!;
  const has = labels[key] === undefined ? `no label ${key}` : `${key}=${labels[key]}`;
  const fitting = selectorText({ ...selector, [key]: labels[key] ?? "VALUE" });
  const command = `kubectl set selector -n ${namespace} service ${name} ${fitting}`;
  return `pod ${pod} is the nearest, with ${has}: change its template, or ${command}`;
}

const selectorText = (selector: Readonly<Record<string, string>>): string =>
  formatLabelTerms(termsOfMap(selector));

/** Whether a Service's selector, which has labels, is satisfied by the pod's. */
export const selects = ({ spec: { selector = {} } }: Service, { metadata }: Pod): boolean =>
  Object.keys(selector).length > 0 && matchesMap(selector, metadata.labels);
