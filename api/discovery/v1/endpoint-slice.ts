/** EndpointSlice: some of the addresses behind a Service. */

import { isIPv4, isIPv6 } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, nameColumn, UNSET } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, invalid, required, tooMany } from "../../errors.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../gen/discovery/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateNonSpecialIp } from "../../validation/addresses.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import {
  dnsLabel,
  dnsSubdomain,
  labelValue,
  qualifiedName,
  type TextRule,
} from "../../validation/names.ts";

const ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000;
const SHOWN = 3;

function validateAddress(address: string, type: string, path: string): FieldError[] {
  switch (type) {
    case "IPv4":
      return isIPv6(address)
        ? [invalid(path, address, "must be an IPv4 address")]
        : validateNonSpecialIp(address, path);
    case "IPv6":
      return isIPv4(address)
        ? [invalid(path, address, "must be an IPv6 address")]
        : validateNonSpecialIp(address, path);
    case "FQDN":
      return fullDomain(address, path);
    default:
      return [];
  }
}

/** A name of two labels at least, with or without the dot at its end. */
function fullDomain(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const plain = name.endsWith(".") ? name.slice(0, -1) : name;
  const wrong = dnsSubdomain(plain);
  if (wrong.length > 0) return [invalid(path, name, wrong.join(","))];
  return plain.includes(".")
    ? []
    : [invalid(path, name, "should be a domain with at least two segments separated by dots")];
}

/** Zones or nodes that an endpoint is meant for. */
function validateHints(
  hints: readonly { name: string }[] = [],
  path: string,
  rule: TextRule,
): FieldError[] {
  const seen = new Set<string>();
  return eachOf(hints, path, ({ name }, place) => {
    const at = `${place}.name`;
    const errors = seen.has(name) ? [duplicate(at, name)] : [];
    seen.add(name);
    return [...errors, ...invalidBy(rule, at, name)];
  });
}

function validateEndpoint(endpoint: Endpoint, type: string, path: string): FieldError[] {
  const { addresses, hostname, nodeName } = endpoint;
  const errors: FieldError[] = [];
  if (addresses.length === 0) {
    errors.push(required(`${path}.addresses`, "must contain at least 1 address"));
  } else if (addresses.length > ADDRESSES_MAX) {
    errors.push(tooMany(`${path}.addresses`, addresses.length, ADDRESSES_MAX));
  }
  addresses.forEach((each, index) =>
    errors.push(...validateAddress(each, type, `${path}.addresses[${index}]`)),
  );
  if (hostname !== undefined) errors.push(...invalidBy(dnsLabel, `${path}.hostname`, hostname));
  if (nodeName !== undefined) errors.push(...invalidBy(dnsSubdomain, `${path}.nodeName`, nodeName));
  return [
    ...errors,
    ...validateHints(endpoint.hints?.forZones, `${path}.hints.forZones`, labelValue),
    ...validateHints(endpoint.hints?.forNodes, `${path}.hints.forNodes`, dnsSubdomain),
  ];
}

function validatePorts(ports: readonly EndpointPort[]): FieldError[] {
  if (ports.length > PORTS_MAX) return [tooMany("ports", ports.length, PORTS_MAX)];
  const names = new Set<string>();
  return eachOf(ports, "ports", (port, at) => {
    const name = port.name ?? "";
    const errors = name === "" ? [] : invalidBy(dnsLabel, `${at}.name`, name);
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    errors.push(...oneOf(port.protocol, PROTOCOLS, `${at}.protocol`));
    const { appProtocol } = port;
    return appProtocol === undefined
      ? errors
      : [...errors, ...invalidBy(qualifiedName, `${at}.appProtocol`, appProtocol)];
  });
}

function validate(slice: EndpointSlice): FieldError[] {
  const { addressType = "", endpoints, ports = [] } = slice;
  const errors: FieldError[] = [];
  if ((addressType as string) === "") errors.push(required("addressType"));
  else errors.push(...oneOf(addressType, ADDRESS_TYPES, "addressType"));
  if (endpoints.length > ENDPOINTS_MAX) {
    return [...errors, tooMany("endpoints", endpoints.length, ENDPOINTS_MAX)];
  }
  return [
    ...errors,
    ...eachOf(endpoints, "endpoints", (each, at) => validateEndpoint(each, addressType, at)),
    ...validatePorts(ports),
  ];
}

function listCell(list: readonly string[]): string {
  if (list.length === 0) return UNSET;
  const shown = list.slice(0, SHOWN).join(",");
  return list.length > SHOWN ? `${shown} + ${list.length - SHOWN} more...` : shown;
}

const HOSTNAME_LABEL = "kubernetes.io/hostname";

/**
 * Drops labels of an earlier version, which cannot be set: as upstream's dropTopologyOnV1. A node
 * that the old slice names in this way alone is kept in a changed one.
 */
function dropTopology({ endpoints }: EndpointSlice, old?: EndpointSlice): void {
  if (old !== undefined && isDeepStrictEqual(endpoints, old.endpoints)) return;
  const known = new Set(old?.endpoints.map((each) => each.deprecatedTopology?.[HOSTNAME_LABEL]));
  for (const endpoint of endpoints) {
    const name = endpoint.deprecatedTopology?.[HOSTNAME_LABEL];
    if (endpoint.nodeName === undefined && name !== undefined && known.has(name)) {
      if (dnsSubdomain(name).length === 0) endpoint.nodeName = name;
    }
    delete endpoint.deprecatedTopology;
  }
}

export const endpointSlice: Kind<EndpointSlice> = defineKind<EndpointSlice>(
  "discovery/v1.EndpointSlice",
  {
    generation: "content",
    defaults(object) {
      for (const port of object.ports ?? []) {
        port.name ??= "";
        port.protocol ??= "TCP";
      }
    },
    prepareCreate: (object) => dropTopology(object),
    prepareUpdate: dropTopology,
    validate,
    validateUpdate: (object, old) => immutable("addressType", object.addressType, old.addressType),
    warnings: (object, old) =>
      old === undefined && object.addressType === "FQDN"
        ? ["spec.addressType: FQDN endpoints are deprecated"]
        : [],
    columns: [
      nameColumn,
      column("AddressType", (object) => object.addressType),
      column("Ports", (object) =>
        listCell((object.ports ?? []).map((each) => String(each.port ?? (each.name || "*")))),
      ),
      column("Endpoints", (object) => listCell(object.endpoints.flatMap((each) => each.addresses))),
      ageColumn,
    ],
  },
);
