import { familyOf } from "@raft2kube/api/cidr.ts";
import type { Warning } from "../internal-events.ts";
import {
  FAMILY_LABEL,
  type IpAddress,
  MANAGER,
  MANAGER_LABEL,
  serviceKey,
  serviceKeyOf,
} from "./cluster-ips.ts";
import { heldAddress, type Service } from "./service.ts";
import type { ServiceCidr } from "./service-cidr.ts";
import { rangeOf } from "./service-ranges.ts";

/** A Service's address whose object is missing, or is another's. */
export interface Mend {
  readonly service: Service;
  readonly address: string;
  /** The object that is in its place. */
  readonly replaces: IpAddress | undefined;
  readonly warning: Warning;
}

/** An object that no Service has the address of. */
export type Leak = { readonly address: IpAddress; readonly warning: Warning };

export interface AddressPlan {
  readonly mends: Mend[];
  readonly leaks: Leak[];
  /** Damage that only a user can repair. */
  readonly warnings: Warning[];
}

/**
 * Compares Services and the IPAddress objects of this allocator, both ways (upstream's
 * RepairIPAddress): each Service's address has an object that refers to the Service, and each such
 * object an address of its Service. Objects of other managers are left alone, unless a Service has
 * their address.
 */
export function planAddresses(
  services: readonly Service[],
  addresses: readonly IpAddress[],
  ranges: readonly ServiceCidr[],
): AddressPlan {
  const plan: AddressPlan = { mends: [], leaks: [], warnings: [] };
  const byName = new Map(addresses.map((each) => [each.metadata.name ?? "", each]));
  const byKey = new Map(services.map((each) => [serviceKey(each.metadata), each]));
  for (const service of services) {
    const address = heldAddress(service);
    if (address === undefined || familyOf(address) !== "IPv4") continue;
    planService(plan, { service, address }, byName.get(address), { byKey, ranges });
  }
  const replaced = new Set(plan.mends.map(({ address }) => address));
  for (const address of addresses) {
    if (address.metadata.labels?.[MANAGER_LABEL] !== MANAGER) continue;
    const leak = replaced.has(address.metadata.name ?? "") ? undefined : leakOf(address, byKey);
    if (leak !== undefined) plan.leaks.push(leak);
  }
  return plan;
}

interface Around {
  readonly byKey: ReadonlyMap<string, Service>;
  readonly ranges: readonly ServiceCidr[];
}

function planService(
  plan: AddressPlan,
  { service, address }: { service: Service; address: string },
  object: IpAddress | undefined,
  { byKey, ranges }: Around,
): void {
  const own = serviceKey(service.metadata);
  const warning = (reason: string, message: string): Warning => ({
    about: service,
    reason,
    message,
  });
  if (rangeOf(ranges, address) === undefined) {
    const message =
      `Cluster IP [IPv4]: ${address} is not ` +
      "within any configured Service CIDR; please recreate service";
    plan.warnings.push(warning("ClusterIPOutOfRange", message));
    return;
  }
  const mend = (message: string) =>
    plan.mends.push({
      service,
      address,
      replaces: object,
      warning: warning("ClusterIPNotAllocated", message),
    });
  if (object === undefined) {
    mend(`Cluster IP [IPv4]: ${address} is not allocated; repairing`);
    return;
  }
  const wrong =
    `the ClusterIP [IPv4]: ${address} for Service ${own} has a wrong reference; ` + "repairing";
  const parent = serviceKeyOf(object);
  const other = parent === undefined ? undefined : byKey.get(parent);
  if (parent !== own && (other === undefined || !addressesOf(other).includes(address))) {
    mend(wrong);
  } else if (parent !== own) {
    const message =
      `Cluster IP [IPv4]:${address} was ` +
      "assigned to multiple services; please recreate service";
    plan.warnings.push(warning("ClusterIPAlreadyAllocated", message));
  } else if (!hasLabels(object)) mend(wrong);
}

function leakOf(address: IpAddress, byKey: ReadonlyMap<string, Service>): Leak | undefined {
  const { name = "" } = address.metadata;
  const leak = (reason: string, message: string): Leak => ({
    address,
    warning: { about: address, reason, message },
  });
  const parent = serviceKeyOf(address);
  if (parent === undefined) {
    return leak(
      "IPAddressNotAllocated",
      `IPAddress ${name} appears to have been modified, ` +
        "not referencing a Service: cleaning up",
    );
  }
  const service = byKey.get(parent);
  if (service === undefined) {
    const why = `IPAddress: ${name} for Service ${parent} appears to have leaked: cleaning up`;
    return leak("IPAddressNotAllocated", why);
  }
  if (addressesOf(service).includes(name)) return undefined;
  const why = `IPAddress: ${name} for Service ${parent} has a wrong reference; cleaning up`;
  return leak("IPAddressWrongReference", why);
}

function addressesOf(service: Service): readonly string[] {
  const held = heldAddress(service);
  return held === undefined ? [] : (service.spec.clusterIPs ?? [held]);
}

function hasLabels({ metadata: { name = "", labels = {} } }: IpAddress): boolean {
  return labels[FAMILY_LABEL] === familyOf(name) && labels[MANAGER_LABEL] === MANAGER;
}
