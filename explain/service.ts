import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { formatLabelTerms, termsOfMap } from "@raft2kube/api/selector.ts";
import { isPodActive, isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { counted, type Explanation, listed, waiting, well, wrong } from "./explanation.ts";
import { type ServiceFacts, selects } from "./facts.ts";
import { explainPod } from "./pod.ts";

type Selector = Readonly<Record<string, string>>;

/** Explains why a Service answers or does not. */
export function explainService(facts: ServiceFacts): Explanation {
  const { what, service, slices } = facts;
  const { type, externalName, selector = {} } = service.spec;
  if (type === "ExternalName") {
    return well(`${what} is a DNS alias (CNAME) of ${externalName}: it has no endpoints`);
  }
  const ready = readyEndpoints(slices).flatMap(({ addresses }) => addresses).length;
  if (Object.keys(selector).length > 0) return explainSelected(facts, selector, ready);
  if (ready > 0) return answering(facts, ready);
  const label = `kubernetes.io/service-name=${service.metadata.name}`;
  const sentence = `${what} has no selector and no EndpointSlice with a ready address`;
  return wrong(sentence, `set spec.selector, or write an EndpointSlice with the label ${label}`);
}

function explainSelected(facts: ServiceFacts, selector: Selector, ready: number): Explanation {
  const { what, service, pods, first } = facts;
  const matching = pods.filter((pod) => selects(service, pod));
  if (ready > 0) return explainPorts(facts, matching) ?? answering(facts, ready);
  if (matching.length === 0) {
    const none = `no pod of namespace ${service.metadata.namespace} has the labels`;
    const sentence = `${what} has no answer: ${none} ${selectorText(selector)} of its selector`;
    return wrong(sentence, nearest(service, pods, selector));
  }
  const live = matching.filter(isPodActive);
  if (live.length === 0) {
    const sentence = `${what} has no answer: its ${counted(matching.length, "pod")} ended`;
    return wrong(sentence, "let a Deployment run them: it replaces pods that end");
  }
  const isReady = live.filter(isPodReady);
  if (isReady.length === 0 && first) {
    const why = explainPod(first);
    const many =
      live.length === 1 ? "its only pod is not ready" : `none of its ${live.length} pods is ready`;
    const sentence = `${what} has no answer: ${many}: ${why.sentence}`;
    return { ...why, sentence, remedy: why.remedy ?? "wait until it is ready" };
  }
  const sentence = `${what} has ready pods, but no EndpointSlice names them yet`;
  const remedy = "if it stays so, check that the controllers run: r2k status";
  return explainPorts(facts, isReady) ?? waiting(sentence, remedy);
}

/**
 * A port that leads nowhere: to a name that no container has, or to a number that none declares,
 * where a program may listen all the same. Clients of a headless Service choose the port.
 */
function explainPorts({ what, service: { spec }, slices }: ServiceFacts, pods: readonly Pod[]) {
  const served = readyEndpoints(slices).flatMap(({ ports }) => ports.map(({ name = "" }) => name));
  const ports = pods.flatMap((pod) => pod.spec.containers.flatMap(({ ports = [] }) => ports));
  const names = new Set(ports.flatMap(({ name }) => name ?? []));
  const numbers = new Set(spec.clusterIP === "None" ? [] : ports.map((each) => each.containerPort));
  const dead = spec.ports?.find(({ port, targetPort = port, name = "" }) =>
    typeof targetPort === "string"
      ? pods.length > 0 && !served.includes(name)
      : numbers.size > 0 && !numbers.has(targetPort),
  );
  if (!dead) return undefined;
  const { port, targetPort = port } = dead;
  const isName = typeof targetPort === "string";
  const known = listed([...(isName ? names : numbers)].map(String));
  const none = `no container of its pods ${isName ? "has a port named" : "declares port"}`;
  const sentence = `no answer on port ${port}: ${none} ${targetPort}`;
  const use = `${known ? `use one of ${known}` : "use a number"} in spec.ports[].targetPort`;
  return isName
    ? wrong(`${what} has ${sentence}`, `${use}, or name the port`)
    : wrong(`${what} may have ${sentence}`, `${use}, or declare it if it is served`);
}

/** `80/TCP and 53/UDP`. */
export const portsOf = ({ ports = [] }: Service["spec"]): string =>
  listed(ports.map(({ port, protocol = "TCP" }) => `${port}/${protocol}`));

function answering({ what, service: { spec } }: ServiceFacts, ready: number): Explanation {
  const where =
    spec.clusterIP === "None"
      ? "by its DNS name, with the pods' own addresses"
      : `at ${spec.clusterIP}, port ${portsOf(spec)}`;
  const local = "; from outside only on nodes that run one (externalTrafficPolicy: Local)";
  const limit = spec.externalTrafficPolicy === "Local" ? local : "";
  return well(`${what} answers ${where}, from ${counted(ready, "endpoint")}${limit}`);
}

/** Endpoints that traffic goes to, with the ports of their slices; a headless Service's too. */
export const readyEndpoints = (slices: readonly EndpointSlice[]) =>
  slices.flatMap(({ endpoints, ports }) =>
    (endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .map((endpoint) => ({ ...endpoint, ports: ports ?? [] })),
  );

/** Pairs of letters of a word that another one has too. */
const alike = (word: string, other = ""): number =>
  [...word].filter((_, i) => i > 0 && other.includes(word.slice(i - 1, i + 1))).length;

/** The pod that matches most of the selector, with the label that would have to change. */
function nearest(service: Service, pods: readonly Pod[], selector: Selector): string {
  const { namespace, name } = service.metadata;
  const keys = Object.keys(selector);
  const wrongIn = ({ metadata: { labels = {} } }: Pod) =>
    keys.filter((key) => labels[key] !== selector[key]);
  const likeness = ({ metadata: { labels = {} } }: Pod) =>
    keys.reduce((sum, key) => sum + alike(selector[key]!, labels[key]), 0);
  const [best] = pods
    .filter(({ metadata: { labels = {} } }) => keys.some((key) => labels[key]))
    .sort((a, b) => wrongIn(a).length - wrongIn(b).length || likeness(b) - likeness(a));
  if (!best) return `start pods with these labels in namespace ${namespace}`;
  const key = wrongIn(best)[0]!;
  const value = best.metadata.labels?.[key];
  const has = value === undefined ? `no label ${key}` : `${key}=${value}`;
  const fitting = selectorText({ ...selector, [key]: value ?? "VALUE" });
  const command = `kubectl set selector -n ${namespace} service ${name} ${fitting}`;
  return `pod ${best.metadata.name} is the nearest, with ${has}: change its template, or ${command}`;
}

const selectorText = (selector: Selector): string => formatLabelTerms(termsOfMap(selector));
