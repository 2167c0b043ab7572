/** The defaults of a Service, and the allocated values that an update keeps. */
import type { Service, ServicePort } from "../../../gen/core/v1.ts";

const CLIENT_AFFINITY_S = 3 * 3600;

export const isHeadless = (service: Service): boolean =>
  service.spec.clusterIP === "None" || service.spec.clusterIPs?.[0] === "None";

/** Types that have an address of their own in the Service range. */
export function needsClusterIP(service: Service): boolean {
  return ["ClusterIP", "NodePort", "LoadBalancer"].includes(service.spec.type ?? "");
}

/** Types whose ports open on every node. */
export function needsNodePort(service: Service): boolean {
  const { type, allocateLoadBalancerNodePorts } = service.spec;
  return (
    type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false)
  );
}

const externallyAccessible = ({ spec }: Service): boolean =>
  spec.type === "LoadBalancer" ||
  spec.type === "NodePort" ||
  (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);

function defaultPort(port: ServicePort): void {
  port.protocol ||= "TCP";
  if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "") {
    port.targetPort = port.port;
  }
}

export function defaultService(service: Service): void {
  const { spec } = service;
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === "ClientIP") {
    const timeoutSeconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
    spec.sessionAffinityConfig = {
      clientIP: { timeoutSeconds: timeoutSeconds ?? CLIENT_AFFINITY_S },
    };
  }
  spec.type ||= "ClusterIP";
  spec.ports?.forEach(defaultPort);
  if (externallyAccessible(service)) spec.externalTrafficPolicy ||= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type !== "LoadBalancer") return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) {
    if ((ingress.ip ?? "") !== "") ingress.ipMode ??= "VIP";
  }
}

/** `clusterIP` and the first of `clusterIPs` are one thing, of which older clients know one. */
export function alignClusterIPs(service: Service, old?: Service): void {
  const { spec } = service;
  const ip = spec.clusterIP ?? "";
  if (old === undefined) {
    if (ip !== "" && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [ip];
    return;
  }
  const oldIp = old.spec.clusterIP ?? "";
  if ((spec.clusterIPs ?? []).length === 0 && ip === oldIp && old.spec.clusterIPs !== undefined) {
    spec.clusterIPs = [...old.spec.clusterIPs];
  }
  const sameList = (spec.clusterIPs ?? []).join() === (old.spec.clusterIPs ?? []).join();
  if (ip === oldIp || !sameList) return;
  if (ip === "") delete spec.clusterIPs;
  else spec.clusterIPs = [ip];
}

/** The families of the only stack there is. */
export function defaultFamilies(service: Service): void {
  if (!needsClusterIP(service)) return;
  if (isWithoutSelector(service)) return defaultBothFamilies(service);
  service.spec.ipFamilyPolicy ??= "SingleStack";
  const first = service.spec.clusterIPs?.[0] ?? "";
  if ((service.spec.ipFamilies ?? []).length === 0) {
    service.spec.ipFamilies = [first.includes(":") ? "IPv6" : "IPv4"];
  }
}

interface Pointed {
  spec: { clusterIP?: string | undefined; selector?: object | undefined };
}

/**
 * A headless Service without a selector may have both families, regardless of the cluster's (as
 * upstream).
 */
export function isWithoutSelector({ spec }: Pointed): boolean {
  return spec.clusterIP === "None" && Object.keys(spec.selector ?? {}).length === 0;
}

function defaultBothFamilies({ spec }: Service): void {
  spec.ipFamilyPolicy ??= "RequireDualStack";
  const [first = "IPv4", ...more] = spec.ipFamilies ?? [];
  const other = first === "IPv4" ? "IPv6" : "IPv4";
  const both = more.length === 0 && spec.ipFamilyPolicy !== "SingleStack";
  spec.ipFamilies = both ? [first, other] : [first, ...more];
}

/** Whether load balancers ask each node for it. */
export const isChecked = ({ spec }: Service): boolean =>
  spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";

/** An update that names no address and no node ports keeps those allocated before. */
export function keepAllocated(service: Service, old: Service): void {
  if (needsClusterIP(old) && needsClusterIP(service)) {
    service.spec.clusterIP ||= old.spec.clusterIP;
    if (service.spec.clusterIP === undefined) delete service.spec.clusterIP;
    if ((service.spec.clusterIPs ?? []).length === 0 && old.spec.clusterIPs !== undefined) {
      service.spec.clusterIPs = [...old.spec.clusterIPs];
    }
    service.spec.ipFamilies ??= old.spec.ipFamilies;
    service.spec.ipFamilyPolicy ??= old.spec.ipFamilyPolicy;
  }
  if (needsNodePort(old) && needsNodePort(service)) keepNodePorts(service, old);
  const port = old.spec.healthCheckNodePort;
  if (port && isChecked(old) && isChecked(service)) service.spec.healthCheckNodePort ||= port;
}

function keepNodePorts(service: Service, old: Service): void {
  const ports = service.spec.ports ?? [];
  const taken = new Set(ports.map((each) => each.nodePort ?? 0));
  for (const port of ports) {
    const before = old.spec.ports?.find((each) => (each.name ?? "") === (port.name ?? ""));
    const number = before?.nodePort ?? 0;
    if ((port.nodePort ?? 0) === 0 && number !== 0 && !taken.has(number)) port.nodePort = number;
  }
}

const portsText = (service: Service): string =>
  (service.spec.ports ?? []).map((each) => each.nodePort ?? 0).join();

/** Drops fields of the old type only, unless the client changed them: then they are errors. */
export function dropForType(service: Service, old: Service | undefined): void {
  const { spec } = service;
  if (spec.type === "ExternalName") delete spec.internalTrafficPolicy;
  if (old === undefined) return;
  const same = <K extends keyof Service["spec"]>(name: K): boolean =>
    JSON.stringify(spec[name]) === JSON.stringify(old.spec[name]);
  if (needsClusterIP(old) && !needsClusterIP(service)) {
    if (same("clusterIP") && same("clusterIPs")) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (same("ipFamilies")) delete spec.ipFamilies;
    if (same("ipFamilyPolicy")) delete spec.ipFamilyPolicy;
  }
  if (needsNodePort(old) && !needsNodePort(service) && portsText(service) === portsText(old)) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (
    externallyAccessible(old) &&
    !externallyAccessible(service) &&
    same("externalTrafficPolicy")
  ) {
    delete spec.externalTrafficPolicy;
  }
  if (old.spec.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (same("allocateLoadBalancerNodePorts")) delete spec.allocateLoadBalancerNodePorts;
    if (same("loadBalancerClass")) delete spec.loadBalancerClass;
  }
  if (spec.type !== "LoadBalancer" && service.status !== undefined) {
    service.status.loadBalancer = {};
  }
}
