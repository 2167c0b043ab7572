/** Endpoints: the older form of EndpointSlice, one object for each Service. */

import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, required } from "../../errors.ts";
import type { EndpointAddress, EndpointSubset, Endpoints } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateNonSpecialIp } from "../../validation/addresses.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from "../../validation/names.ts";

const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const SHOWN = 3;

function validateAddress({ ip, hostname = "", nodeName }: EndpointAddress, path: string) {
  const errors = validateNonSpecialIp(ip, `${path}.ip`);
  if (hostname !== "") errors.push(...invalidBy(dnsLabel, `${path}.hostname`, hostname));
  if (nodeName === undefined) return errors;
  return [...errors, ...invalidBy(dnsSubdomain, `${path}.nodeName`, nodeName)];
}

function validateSubset(subset: EndpointSubset, path: string): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const errors: FieldError[] = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0) {
    errors.push(required(path, "must specify `addresses` or `notReadyAddresses`"));
  }
  addresses.forEach((each, index) =>
    errors.push(...validateAddress(each, `${path}.addresses[${index}]`)),
  );
  notReadyAddresses.forEach((each, index) =>
    errors.push(...validateAddress(each, `${path}.notReadyAddresses[${index}]`)),
  );
  ports.forEach((port, index) => {
    const at = `${path}.ports[${index}]`;
    const name = port.name ?? "";
    if (ports.length > 1 && name === "") errors.push(required(`${at}.name`));
    if (name !== "") errors.push(...invalidBy(dnsLabel, `${at}.name`, name));
    errors.push(...invalidBy(portNumber, `${at}.port`, port.port));
    errors.push(...oneOf(port.protocol, PROTOCOLS, `${at}.protocol`));
    const { appProtocol } = port;
    if (appProtocol !== undefined) {
      errors.push(...invalidBy(qualifiedName, `${at}.appProtocol`, appProtocol));
    }
  });
  return errors;
}

function endpointsCell(endpoints: Endpoints): string {
  const all = (endpoints.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map((each) => each.ip)
      : ports.flatMap((port) =>
          addresses.map(({ ip }) =>
            ip.includes(":") ? `[${ip}]:${port.port}` : `${ip}:${port.port}`,
          ),
        ),
  );
  if ((endpoints.subsets ?? []).length === 0) return NONE;
  const shown = all.slice(0, SHOWN).join(",");
  return all.length > SHOWN ? `${shown} + ${all.length - SHOWN} more...` : shown;
}

export const endpoints: Kind<Endpoints> = defineKind<Endpoints>("core/v1.Endpoints", {
  createOnUpdate: true,
  deprecated: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
  defaults(object) {
    for (const port of (object.subsets ?? []).flatMap((each) => each.ports ?? [])) {
      port.protocol ||= "TCP";
    }
  },
  validate: (object) => eachOf(object.subsets, "subsets", validateSubset),
  columns: [nameColumn, column("Endpoints", endpointsCell), ageColumn],
});
