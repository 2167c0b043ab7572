/** Service: one stable address for the pods that a selector finds. */

import { ageColumn, column, mapCell, NONE, nameColumn, UNKNOWN, wide } from "../../../columns.ts";
import { defineKind } from "../../../define.ts";
import type { Service } from "../../../gen/core/v1.ts";
import type { Kind } from "../../../kind.ts";
import { dnsLabel } from "../../../validation/names.ts";
import {
  alignClusterIPs,
  defaultFamilies,
  defaultService,
  dropForType,
  keepAllocated,
} from "./defaults.ts";
import { validateService, validateServiceStatus, validateServiceUpdate } from "./validate.ts";
import { serviceWarnings } from "./warnings.ts";

function balancerAddresses(service: Service): string[] {
  const found = (service.status?.loadBalancer?.ingress ?? [])
    .map((each) => each.ip || each.hostname || "")
    .filter((each) => each !== "");
  return [...new Set(found)].sort();
}

function externalCell(service: Service): string {
  const { type, externalIPs = [], externalName = "" } = service.spec;
  switch (type) {
    case "ClusterIP":
    case "NodePort":
      return externalIPs.join(",") || NONE;
    case "LoadBalancer":
      return [...balancerAddresses(service), ...externalIPs].join(",") || "<pending>";
    case "ExternalName":
      return externalName;
    default:
      return UNKNOWN;
  }
}

function portsCell(service: Service): string {
  const ports = (service.spec.ports ?? []).map(({ port, nodePort = 0, protocol }) =>
    nodePort > 0 ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.join(",") || NONE;
}

export const service: Kind<Service> = defineKind<Service>("core/v1.Service", {
  nameRule: dnsLabel,
  createOnUpdate: true,
  warnings: (object) => serviceWarnings(object),
  defaults: defaultService,
  prepareCreate(object) {
    alignClusterIPs(object);
    dropForType(object, undefined);
    defaultFamilies(object);
  },
  prepareUpdate(object, old) {
    keepAllocated(object, old);
    alignClusterIPs(object, old);
    dropForType(object, old);
    defaultFamilies(object);
  },
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  status: { validateUpdate: validateServiceStatus },
  columns: [
    nameColumn,
    column("Type", (object) => object.spec.type ?? ""),
    column("Cluster-IP", (object) => object.spec.clusterIPs?.[0] || NONE),
    column("External-IP", externalCell),
    column("Port(s)", portsCell),
    ageColumn,
    wide("Selector", (object) => mapCell(object.spec.selector)),
  ],
  selectableFields: {
    "spec.clusterIP": (object) => object.spec.clusterIP ?? "",
    "spec.type": (object) => object.spec.type ?? "",
  },
});
