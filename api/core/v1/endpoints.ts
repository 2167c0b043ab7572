/** Endpoints: the older form of EndpointSlice, one object for each Service. */

import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type { EndpointAddress, EndpointSubset, Endpoints } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateNonSpecialIp } from "../../validation/addresses.ts";
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from "../../validation/names.ts";

const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const SHOWN = 3;

function validateAddress({ ip, hostname = "", nodeName }: EndpointAddress, path: string) {
  const errors = validateNonSpecialIp(ip, `${path}.ip`);
  if (hostname !== "") {
    errors.push(...dnsLabel(hostname).map((each) => invalid(`${path}.hostname`, hostname, each)));
  }
  if (nodeName === undefined) return errors;
  return [
    ...errors,
    ...dnsSubdomain(nodeName).map((each) => invalid(`${path}.nodeName`, nodeName, each)),
  ];
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
    if (name !== "") {
      errors.push(...dnsLabel(name).map((each) => invalid(`${at}.name`, name, each)));
    }
    errors.push(...portNumber(port.port).map((each) => invalid(`${at}.port`, port.port, each)));
    if (!PROTOCOLS.includes(port.protocol ?? "")) {
      errors.push(notSupported(`${at}.protocol`, port.protocol, PROTOCOLS));
    }
    const { appProtocol } = port;
    if (appProtocol !== undefined) {
      errors.push(
        ...qualifiedName(appProtocol).map((each) =>
          invalid(`${at}.appProtocol`, appProtocol, each),
        ),
      );
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
  validate: (object) =>
    (object.subsets ?? []).flatMap((each, index) => validateSubset(each, `subsets[${index}]`)),
  columns: [nameColumn, column("Endpoints", endpointsCell), ageColumn],
});
