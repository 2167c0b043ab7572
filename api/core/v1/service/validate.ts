/** The rules of Services. */
import { isIP } from "node:net";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooMany,
} from "../../../errors.ts";
import type { Service, ServicePort } from "../../../gen/core/v1.ts";
import { SERVICE_SELECTOR_MAX } from "../../../limits.ts";
import {
  validateBalancerPlace,
  validateCidr,
  validateIp,
  validateNonSpecialIp,
} from "../../../validation/addresses.ts";
import {
  eachOf,
  invalidBy,
  oneOf,
  oneOfIfSet,
  requiredBy,
  requiredOneOf,
} from "../../../validation/checks.ts";
import { validateLabels } from "../../../validation/metadata.ts";
import {
  dnsLabel,
  dnsSubdomain,
  inRange,
  portName,
  portNumber,
  qualifiedName,
} from "../../../validation/names.ts";
import { isChecked, isHeadless } from "./defaults.ts";

const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITIES = ["ClientIP", "None"];
const POLICIES = ["Cluster", "Local"];
const FAMILIES = ["IPv4", "IPv6"];
const IP_MODES = ["Proxy", "VIP"];
const FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const DISTRIBUTIONS = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const AFFINITY_S_MAX = 24 * 3600;

function validatePort(port: ServicePort, named: boolean, path: string): FieldError[] {
  const { name = "", targetPort = 0, appProtocol } = port;
  const errors: FieldError[] = named && name === "" ? [required(`${path}.name`)] : [];
  if (name !== "") errors.push(...invalidBy(dnsLabel, `${path}.name`, name));
  errors.push(...invalidBy(portNumber, `${path}.port`, port.port));
  errors.push(...oneOf(port.protocol, PROTOCOLS, `${path}.protocol`));
  const target = typeof targetPort === "string" ? portName(targetPort) : portNumber(targetPort);
  errors.push(...target.map((each) => invalid(`${path}.targetPort`, targetPort, each)));
  if (appProtocol !== undefined) {
    errors.push(...invalidBy(qualifiedName, `${path}.appProtocol`, appProtocol));
  }
  return errors;
}

function validatePorts(service: Service): FieldError[] {
  const { ports = [], type } = service.spec;
  const errors: FieldError[] = [];
  if (ports.length === 0 && !isHeadless(service) && type !== "ExternalName") {
    errors.push(required("spec.ports"));
  }
  const names = new Set<string>();
  const nodePorts = new Set<string>();
  const numbers = new Set<string>();
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    const name = port.name ?? "";
    errors.push(...validatePort(port, ports.length > 1, path));
    if (name !== "" && names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
    const nodePort = port.nodePort ?? 0;
    if (nodePort !== 0) {
      if (type === "ClusterIP") {
        errors.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
      }
      const key = `${port.protocol}/${nodePort}`;
      if (nodePorts.has(key)) errors.push(duplicate(`${path}.nodePort`, nodePort));
      nodePorts.add(key);
    }
    const key = `${port.protocol}/${port.port}`;
    if (numbers.has(key)) {
      errors.push(
        duplicate(path, {
          Name: "",
          Protocol: port.protocol,
          AppProtocol: null,
          Port: port.port,
          TargetPort: 0,
          NodePort: 0,
        }),
      );
    }
    numbers.add(key);
  });
  return errors;
}

function validateType({ spec }: Service): FieldError[] {
  const { type = "" } = spec;
  const none = spec.clusterIPs?.[0] === "None";
  const errors: FieldError[] = [];
  if ((type === "LoadBalancer" || type === "NodePort") && none) {
    const rule = `may not be set to 'None' for ${type} services`;
    errors.push(invalid("spec.clusterIPs[0]", "None", rule));
  }
  if (type === "ExternalName") {
    for (const name of ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) {
      if (spec[name] === undefined || spec[name].length === 0) continue;
      errors.push(forbidden(`spec.${name}`, "may not be set for ExternalName services"));
    }
    const host = (spec.externalName ?? "").replace(/\.$/, "");
    errors.push(...requiredBy(dnsSubdomain, "spec.externalName", host));
  }
  errors.push(...requiredOneOf(type, TYPES, "spec.type"));
  return errors;
}

function validateAffinity({ spec }: Service): FieldError[] {
  const { sessionAffinity: affinity = "", sessionAffinityConfig: config } = spec;
  const path = "spec.sessionAffinityConfig";
  if (affinity === "") return [required("spec.sessionAffinity")];
  if (!AFFINITIES.includes(affinity)) {
    return [notSupported("spec.sessionAffinity", affinity, AFFINITIES)];
  }
  if (affinity === "None") {
    return config === undefined
      ? []
      : [forbidden(path, "must not be set when session affinity is None")];
  }
  const seconds = config?.clientIP?.timeoutSeconds;
  if (seconds === undefined) return [required(path, "when session affinity type is ClientIP")];
  if (inRange(seconds, 1, AFFINITY_S_MAX).length === 0) return [];
  const rule = `must be greater than 0 and less than ${AFFINITY_S_MAX}`;
  return [invalid(`${path}.clientIP.timeoutSeconds`, seconds, rule)];
}

function validateAddresses({ spec }: Service): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const path = "spec.clusterIPs";
  const { clusterIP = "", clusterIPs: ips = [], ipFamilies: families = [] } = spec;
  const errors: FieldError[] = [];
  if (clusterIP === "" && ips.length > 0) {
    errors.push(invalid(path, ips, "must be empty when `clusterIP` is not specified"));
  } else if (clusterIP !== "" && ips.length === 0) errors.push(required(path));
  else if (clusterIP !== "" && ips[0] !== clusterIP) {
    errors.push(invalid(path, ips, "first value must match `clusterIP`"));
  }
  const seen = new Set<string>();
  families.forEach((family, index) => {
    const at = `spec.ipFamilies[${index}]`;
    errors.push(...oneOf(family, FAMILIES, at));
    if (seen.has(family)) errors.push(duplicate(at, family));
    seen.add(family);
  });
  const policy = spec.ipFamilyPolicy;
  errors.push(...oneOfIfSet(policy, FAMILY_POLICIES, "spec.ipFamilyPolicy"));
  if (ips.length > 1 && ips[0] === "None") {
    errors.push(invalid(path, ips, "'None' must be the first and only value"));
  }
  const versions = new Set(ips.map((ip) => ip.includes(":")));
  if (ips.length > versions.size && ips[0] !== "None") {
    errors.push(invalid(path, ips, "may specify no more than one IP for each IP family"));
  }
  if (ips.length > 2) errors.push(invalid(path, ips, "may only hold up to 2 values"));
  ips.forEach((ip, index) => {
    if (index === 0 && ip === "None") return;
    const wrong = validateIp(ip, `${path}[${index}]`);
    errors.push(...wrong, ...(wrong.length > 0 ? [] : againstFamily(ip, families[index], index)));
  });
  return errors;
}

function againstFamily(ip: string, family: string | undefined, index: number): FieldError[] {
  const actual = ip.includes(":") ? "IPv6" : "IPv4";
  if (family === undefined || !FAMILIES.includes(family) || family === actual) return [];
  const rule = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
  return [invalid(`spec.clusterIPs[${index}]`, ip, rule)];
}

function validatePolicies(service: Service): FieldError[] {
  const { spec } = service;
  const errors: FieldError[] = [];
  const { internalTrafficPolicy: internal, externalTrafficPolicy: external } = spec;
  errors.push(...oneOfIfSet(internal, POLICIES, "spec.internalTrafficPolicy"));
  const outside =
    spec.type === "NodePort" ||
    spec.type === "LoadBalancer" ||
    (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);
  if (external !== undefined && !outside) {
    const rule = "may only be set for externally-accessible services";
    errors.push(invalid("spec.externalTrafficPolicy", external, rule));
  } else errors.push(...oneOfIfSet(external, POLICIES, "spec.externalTrafficPolicy"));
  if (!isChecked(service) && (spec.healthCheckNodePort ?? 0) !== 0) {
    const rule =
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalid("spec.healthCheckNodePort", spec.healthCheckNodePort, rule));
  }
  if (spec.type === "LoadBalancer") errors.push(...validateBalancer(spec));
  else {
    if (spec.allocateLoadBalancerNodePorts !== undefined) {
      const rule = "may only be used when `type` is 'LoadBalancer'";
      errors.push(forbidden("spec.allocateLoadBalancerNodePorts", rule));
    }
    if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
      const rule = "may only be used when `type` is 'LoadBalancer'";
      errors.push(forbidden("spec.LoadBalancerSourceRanges", rule));
    }
    if (spec.loadBalancerClass !== undefined) {
      const rule = "may only be used when `type` is 'LoadBalancer'";
      errors.push(forbidden("spec.loadBalancerClass", rule));
    }
  }
  return errors;
}

function validateBalancer(spec: Service["spec"]): FieldError[] {
  const name = spec.loadBalancerClass;
  const ranges = (spec.loadBalancerSourceRanges ?? []).flatMap((range, index) =>
    validateCidr(range.trim(), `spec.LoadBalancerSourceRanges[${index}]`),
  );
  if (name === undefined) return ranges;
  return [...ranges, ...invalidBy(qualifiedName, "spec.loadBalancerClass", name)];
}

function validateSelector(selector: Readonly<Record<string, string>> = {}): FieldError[] {
  const { length } = Object.keys(selector);
  if (length <= SERVICE_SELECTOR_MAX) return validateLabels(selector, "spec.selector");
  return [tooMany("spec.selector", length, SERVICE_SELECTOR_MAX)];
}

export const validateService = (service: Service): FieldError[] => [
  ...validatePorts(service),
  ...validateType(service),
  ...validateSelector(service.spec.selector),
  ...validateAffinity(service),
  ...validateAddresses(service),
  ...eachOf(service.spec.externalIPs, "spec.externalIPs", validateNonSpecialIp),
  ...validatePolicies(service),
  ...oneOfIfSet(service.spec.trafficDistribution, DISTRIBUTIONS, "spec.trafficDistribution"),
];

/** Checks the addresses that load balancers report. */
export function validateServiceStatus({ spec, status }: Service): FieldError[] {
  const places = status?.loadBalancer?.ingress ?? [];
  const path = "status.loadBalancer.ingress";
  if (spec.type !== "LoadBalancer" && places.length > 0) {
    return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  return places.flatMap(({ ip = "", ipMode, hostname = "" }, index) => {
    const at = `${path}[${index}]`;
    const errors = validateBalancerPlace(ip, hostname, at);
    if (ip === "") {
      return ipMode === undefined
        ? errors
        : [...errors, forbidden(`${at}.ipMode`, "may not be specified when `ip` is not set")];
    }
    if (ipMode === undefined) {
      return [...errors, required(`${at}.ipMode`, "must be specified when `ip` is set")];
    }
    return IP_MODES.includes(ipMode)
      ? errors
      : [...errors, notSupported(`${at}.ipMode`, ipMode, IP_MODES)];
  });
}

/** The load balancer class is immutable while the Service has one. */
function validateClassUpdate(service: Service, old: Service): FieldError[] {
  if (service.spec.type !== "LoadBalancer" || old.spec.type !== "LoadBalancer") return [];
  const [now, before] = [service.spec.loadBalancerClass, old.spec.loadBalancerClass];
  return now === before
    ? []
    : [invalid("spec.loadBalancerClass", now ?? null, "may not change once set")];
}

export const validateServiceUpdate = (service: Service, old: Service): FieldError[] => [
  ...validateAddressUpdate(service, old),
  ...validateCheckUpdate(service, old),
  ...validateClassUpdate(service, old),
];

/** A load balancer continues to ask the port that it has. */
function validateCheckUpdate(service: Service, old: Service): FieldError[] {
  if (!isChecked(service) || !isChecked(old)) return [];
  if (service.spec.healthCheckNodePort === old.spec.healthCheckNodePort) return [];
  return [forbidden("spec.healthCheckNodePort", "field is immutable")];
}

/** An address once given stays, unless the Service gives it up by becoming an ExternalName. */
function validateAddressUpdate(service: Service, old: Service): FieldError[] {
  if (service.spec.type === "ExternalName" || old.spec.type === "ExternalName") return [];
  if (isHeadless(service) && isHeadless(old)) return [];
  const now = service.spec.clusterIPs ?? [];
  const before = old.spec.clusterIPs ?? [];
  if (before.length === 0) return [];
  // Fields that are invalid themselves are not compared.
  const odd = now.some((each) => each !== "None" && isIP(each) === 0);
  if (odd || !TYPES.includes(service.spec.type ?? "")) return [];
  if (now.length === 0) {
    return [invalid("spec.clusterIPs[0]", now, "primary clusterIP can not be unset")];
  }
  if (now[0] === before[0]) return [];
  return [invalid("spec.clusterIPs[0]", now, "may not change once set")];
}
