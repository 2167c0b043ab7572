/** NetworkPolicy: the peers that selected pods may exchange packets with. */

import { type Cidr, covers, parseCidr } from "../../cidr.ts";
import { ageColumn, column, nameColumn, selectorCell } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../gen/networking/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateCidr } from "../../validation/addresses.ts";
import { invalidBy, oneOf, oneOfIfSet } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { portName, portNumber } from "../../validation/names.ts";

const PROTOCOLS = ["TCP", "UDP", "SCTP"];
const TYPES = ["Ingress", "Egress"];

function defaults({ spec }: NetworkPolicy): void {
  const rules = [...(spec.ingress ?? []), ...(spec.egress ?? [])];
  for (const port of rules.flatMap((each) => each.ports ?? [])) port.protocol ??= "TCP";
  if ((spec.policyTypes ?? []).length === 0) {
    spec.policyTypes = [
      "Ingress",
      ...((spec.egress ?? []).length > 0 ? (["Egress"] as const) : []),
    ];
  }
}

function validatePort(port: NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = [];
  errors.push(...oneOfIfSet(port.protocol, PROTOCOLS, `${path}.protocol`));
  const { port: number, endPort } = port;
  if (number !== undefined) {
    const complaints = typeof number === "string" ? portName(number) : portNumber(number);
    errors.push(...complaints.map((each) => invalid(`${path}.port`, number, each)));
  }
  if (endPort === undefined) return errors;
  if (number === undefined) {
    const rule = "may not be specified when `port` is not specified";
    return [...errors, invalid(`${path}.endPort`, endPort, rule)];
  }
  if (typeof number === "string") {
    const rule = "may not be specified when `port` is non-numeric";
    return [...errors, invalid(`${path}.endPort`, endPort, rule)];
  }
  if (endPort < number) {
    errors.push(invalid(`${path}.endPort`, number, "must be greater than or equal to `port`"));
  }
  return [...errors, ...invalidBy(portNumber, `${path}.endPort`, endPort)];
}

/** An exception of a range must be a smaller range inside it. */
function validateExcept(range: string, whole: Cidr, path: string): FieldError[] {
  const wrong = validateCidr(range, path);
  if (wrong.length > 0) return wrong;
  const inner = parseCidr(range)!;
  return covers(whole, inner) && inner.bits > whole.bits
    ? []
    : [invalid(path, range, "must be a strict subset of `cidr`")];
}

function validatePeer(peer: NetworkPolicyPeer, path: string): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const errors = [
    ...validateLabelSelector(podSelector, `${path}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
  ];
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (!selects && ipBlock === undefined) errors.push(required(path, "must specify a peer"));
  if (selects && ipBlock !== undefined) {
    errors.push(forbidden(path, "may not specify both ipBlock and another peer"));
  }
  if (ipBlock === undefined) return errors;
  if (ipBlock.cidr === "") return [...errors, required(`${path}.ipBlock.cidr`)];
  errors.push(...validateCidr(ipBlock.cidr, `${path}.ipBlock.cidr`));
  const whole = parseCidr(ipBlock.cidr);
  if (whole === undefined) return errors;
  return [
    ...errors,
    ...(ipBlock.except ?? []).flatMap((each, index) =>
      validateExcept(each, whole, `${path}.ipBlock.except[${index}]`),
    ),
  ];
}

function validate({ spec }: NetworkPolicy): FieldError[] {
  const errors = validateLabelSelector(spec.podSelector, "spec.podSelector");
  const directions = [
    ["ingress", "from", (spec.ingress ?? []).map((each) => ({ ...each, peers: each.from }))],
    ["egress", "to", (spec.egress ?? []).map((each) => ({ ...each, peers: each.to }))],
  ] as const;
  for (const [name, word, rules] of directions) {
    rules.forEach((rule, index) => {
      const at = `spec.${name}[${index}]`;
      rule.ports?.forEach((each, position) =>
        errors.push(...validatePort(each, `${at}.ports[${position}]`)),
      );
      rule.peers?.forEach((each, position) =>
        errors.push(...validatePeer(each, `${at}.${word}[${position}]`)),
      );
    });
  }
  const types = spec.policyTypes ?? [];
  if (types.length > 2) {
    const rule = "may not specify more than two policyTypes";
    return [...errors, invalid("spec.policyTypes", types, rule)];
  }
  types.forEach((type, index) => {
    errors.push(...oneOf(type, TYPES, `spec.policyTypes[${index}]`));
  });
  return errors;
}

export const networkPolicy: Kind<NetworkPolicy> = defineKind<NetworkPolicy>(
  "networking/v1.NetworkPolicy",
  {
    generation: "spec",
    defaults,
    validate,
    columns: [
      nameColumn,
      column("Pod-Selector", (object) => selectorCell(object.spec.podSelector)),
      ageColumn,
    ],
  },
);
